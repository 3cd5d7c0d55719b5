// Rows: one block per row, the row held in registers as packs, so that a kernel that needs it twice
// reads it once.
//
//   Row<T, N, P> x;
//   x.load(block, data + row * cols, cols);
//   const float mean = row_sum<float>(block, cols, [](int, float x) { return x; }, x) / cols;
//   const auto scaled = [&](int, float x, float w) { return (x - mean) * w; };
//   row_map(block, cols, y, scaled, x, InMemory{weight});
//
// N is the elements of a pack, P the packs of a thread. P = 0 holds nothing and reads memory at
// each use: for rows too long for registers and, with N = 1, for rows that do not lie on 16 bytes.
// In a block of one thread, the host's, P = 0 is a plain loop over memory for the vectoriser; other
// forms do not run there (dispatch_row takes <1, 0>), nor are they compiled for it.
//
// Row<T, N, P, true> is for rows that do not begin or end on 16 bytes: packs from the first
// boundary on, and the few elements before it and behind the last whole pack one by one, a thread
// each.
//
// A thread sees the same elements in each of these calls, so a row may be written over what it was
// read from without a barrier.
#pragma once

#include <cstdint>

#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Threads that a row kernel is compiled for.
template <int P>
inline constexpr int kRowThreads = P == 1   ? 128
                                   : P == 2 ? 256
                                            : 512;

/// Whether a block of one thread may run this form of Row, so that it needs loops for one.
template <int N, int P>
inline constexpr bool kOneThreadForm = P == 0;

/// The same as a condition.
template <int N, int P>
ADJOINT_DEVICE bool one_thread_form() {
  if constexpr (kOneThreadForm<N, P>)
    return one_thread();
  else
    return false;
}

/// What a form of Row is launched with: launch<kernel<T, N, P>, kRowBlocks<N, P>>(...).
template <int N, int P>
inline constexpr Blocks kRowBlocks = N == 1 && P == 0 ? Blocks::preferred : Blocks::many;

/// Some neighbouring threads of a block, which take a row by themselves where rows are short:
/// stands for the block in for_packs(), Row::load() and row_map(), which need no barrier.
struct Team {
  int thread, threads;  ///< index of this thread, of as many in the team
  int index, count;     ///< which team of the block, and how many it has

  /// `most`: threads of a team, a power of two. A block of fewer is one team.
  ADJOINT_DEVICE Team(const Block& block, int most)
      : threads(block.threads < most ? block.threads : most) {
    thread = block.thread % threads;
    index = block.thread / threads;
    count = block.threads / threads;
  }
};

/// Threads of a team for rows of so many packs: no more than a block has, no more than have work.
inline int team_threads(std::int64_t packs, int block) {
  int threads = 1;
  while (threads < packs && threads < block) threads *= 2;
  return threads;
}

/// Calls function(p, i) for each of this thread's packs: p counts them, i is the first element.
template <int N, int P, class Threads, class Function>
ADJOINT_DEVICE void for_packs(const Threads& block, int cols, const Function& function) {
  if constexpr (P > 0) {
    ADJOINT_UNROLL
    for (int p = 0; p < P; ++p) {
      const int i = (p * block.threads + block.thread) * N;
      if (i < cols) function(p, i);
    }
  } else {
    for (int i = block.thread * N; i < cols; i += block.threads * N) function(0, i);
  }
}

/// An operand read where it is used: weights, or rows needed once.
template <class T>
struct InMemory {
  using Element = T;
  const T* data;

  template <int N>
  ADJOINT_DEVICE Pack<T, N> pack(int, int i) const {
    return load_pack<N>(data + i);
  }
  ADJOINT_DEVICE T element(int i) const { return data[i]; }
};
template <class T>
InMemory(const T*) -> InMemory<T>;

/// An operand that is the same for all elements.
template <class T>
struct Uniform {
  using Element = T;
  T value;

  template <int N>
  ADJOINT_DEVICE Pack<T, N> pack(int, int) const {
    Pack<T, N> values;
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) values[k] = value;
    return values;
  }
  ADJOINT_DEVICE T element(int) const { return value; }
};
template <class T>
Uniform(T) -> Uniform<T>;

/// An operand that may be absent, which reads as 0.
template <class T>
struct Optional {
  using Element = T;
  const T* data;

  template <int N>
  ADJOINT_DEVICE Pack<T, N> pack(int, int i) const {
    if (data != nullptr) return load_pack<N>(data + i);
    Pack<T, N> zeros;
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) zeros[k] = T(0.0f);
    return zeros;
  }
  ADJOINT_DEVICE T element(int i) const { return data != nullptr ? data[i] : T(0.0f); }
};
template <class T>
Optional(const T*) -> Optional<T>;

/// The same, for elements that do not lie on 16 bytes where the row does.
template <class T>
struct Loose : Optional<T> {
  template <int N>
  ADJOINT_DEVICE Pack<T, N> pack(int, int i) const {
    Pack<T, N> values;
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) values[k] = this->element(i + k);
    return values;
  }
};

namespace detail {

/// An absent operand.
template <class T>
struct Zeros {
  using Element = T;
  ADJOINT_DEVICE T element(int) const { return T(0.0f); }
};

/// Calls function(operands...) with Optional operands as InMemory or Zeros: a loop that asks each
/// time whether its operand is there is not vectorised where it is long.
template <class Function>
ADJOINT_DEVICE void with_presence(const Function& function) {
  function();
}
template <class Function, class First, class... Rest>
ADJOINT_DEVICE void with_presence(const Function& function, const First& first,
                                  const Rest&... rest) {
  const auto call = [&](const auto& settled) {
    with_presence([&](const auto&... others) { function(settled, others...); }, rest...);
  };
  if constexpr (!std::is_base_of_v<Optional<typename First::Element>, First>)
    call(first);
  else if (first.data != nullptr)
    call(InMemory<typename First::Element>{first.data});
  else
    call(Zeros<typename First::Element>{});
}

}  // namespace detail

template <class T, int N, int P, bool kRagged = false>
class Row {
 public:
  using Element = T;
  static constexpr int kWidth = N, kPacks = P;

  /// Takes the row at `from`. A ragged one needs 2 N threads.
  template <class Threads>
  ADJOINT_DEVICE void load(const Threads& block, const T* from, int cols) {
    data_ = from;
    if constexpr (kRagged) {
      const auto beyond = int(reinterpret_cast<std::uintptr_t>(from) % 16 / sizeof(T));
      const int head = beyond == 0 ? 0 : int(16 / sizeof(T)) - beyond;
      begin_ = head < cols ? head : cols;
      whole_ = (cols - begin_) / N * N;
      const int edge = block.thread < begin_ ? block.thread : block.thread + whole_;
      edge_ = edge < cols ? edge : -1;
      if (edge_ >= 0) edge_held_ = load_pack<1>(from + edge_);
    }
    if constexpr (P > 0)
      for_each(block, cols, [&]<int M>(int p, int i) {
        if constexpr (M == N) held_[p] = load_pack<N>(from + i);
      });
  }

  /// Takes the row function(i, operands...), rounded to T, and writes it to `to`.
  template <class Function, class... Operand>
  ADJOINT_DEVICE void compute(const Block& block, T* to, int cols, const Function& function,
                              const Operand&... operands) {
    static_assert(!kRagged);
    data_ = to;
    if (one_thread_form<N, P>()) {
      ADJOINT_SIMD
      for (int i = 0; i < cols; ++i)
        to[i] = function(i, Accumulate<typename Operand::Element>(operands.element(i))...);
      return;
    }
    const detail::Elementwise<Function> packed{function};
    for_packs<N, P>(block, cols, [&](int p, int i) {
      const auto row = convert<T>(packed(
          i, convert<Accumulate<typename Operand::Element>>(operands.template pack<N>(p, i))...));
      store_pack<N>(to + i, row);
      if constexpr (P > 0) held_[p] = row;
    });
  }

  /// Calls function.template operator()<M>(p, i) for each of this thread's packs of M elements, as
  /// for_packs() does; M is N, or 1 for what a ragged row has beside whole packs.
  template <class Threads, class Function>
  ADJOINT_DEVICE void for_each(const Threads& block, int cols, const Function& function) const {
    if constexpr (kRagged) {
      const int begin = begin_;
      for_packs<N, P>(block, whole_,
                      [&](int p, int i) { function.template operator()<N>(p, begin + i); });
      if (edge_ >= 0) function.template operator()<1>(0, edge_);
    } else {
      for_packs<N, P>(block, cols, [&](int p, int i) { function.template operator()<N>(p, i); });
    }
  }

  template <int M>
  ADJOINT_DEVICE Pack<T, M> pack(int p, int i) const {
    static_assert(M == N || (kRagged && M == 1));
    if constexpr (M != N)
      return edge_held_;
    else if constexpr (P > 0)
      return held_[p];
    else
      return load_pack<N>(data_ + i);
  }
  ADJOINT_DEVICE T element(int i) const { return data_[i]; }

 private:
  const T* data_;
  Pack<T, N> held_[P > 0 ? P : 1]{};
  // Of a ragged row: where whole packs begin, their elements, and the one beside them, or -1.
  int begin_ = 0, whole_ = 0, edge_ = -1;
  Pack<T, 1> edge_held_{};
};

/// A block of one thread adds rows up in pieces of this many elements: a single float32 sum over a
/// long row loses digits that the GPU's many small sums keep, most where it is not vectorised.
inline constexpr int kHostPiece = 256;

/// The sum of function(i, operands...) over the row; every thread gets it.
template <class A, class Function, class T, int N, int P, bool R, class... Operand>
ADJOINT_DEVICE A row_sum(Block& block, int cols, const Function& function,
                         const Row<T, N, P, R>& row, const Operand&... operands) {
  A sum = 0;
  if (one_thread_form<N, P>()) {
    for (int begin = 0; begin < cols; begin += kHostPiece) {
      const int end = begin + kHostPiece < cols ? begin + kHostPiece : cols;
      A piece = 0;
      ADJOINT_SIMD_SUM(piece)
      for (int i = begin; i < end; ++i)
        piece += function(i, A(row.element(i)), A(operands.element(i))...);
      sum += piece;
    }
    return sum;
  }
  const detail::Elementwise<Function> packed{function};
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto terms = packed(i, convert<A>(row.template pack<M>(p, i)),
                              convert<A>(operands.template pack<M>(p, i))...);
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) sum += terms[k];
  });
  return block.sum(sum);
}

/// The sums of terms(i), Values<A, 2>, over i < count, in a block of one thread.
template <class A, class Terms>
ADJOINT_DEVICE Values<A, 2> sums_in_pieces(int count, const Terms& terms) {
  Values<A, 2> sums{};
  for (int begin = 0; begin < count; begin += kHostPiece) {
    const int end = begin + kHostPiece < count ? begin + kHostPiece : count;
    A a = 0, b = 0;
    ADJOINT_SIMD_SUM(a, b)
    for (int i = begin; i < end; ++i) {
      // Its member, not its operator: a variable whose address is taken stops the vectoriser.
      const Values<A, 2> term = terms(i);
      a += term.v[0];
      b += term.v[1];
    }
    sums.v[0] += a;
    sums.v[1] += b;
  }
  return sums;
}

/// Two sums in one pass where a block of one thread would else take two, for terms that its
/// compiler does not vectorise anyway.
template <class A, class Function, class T, int N, int P, bool R, class... Operand>
ADJOINT_DEVICE Values<A, 2> one_thread_sums(int cols, const Function& function,
                                            const Row<T, N, P, R>& row,
                                            const Operand&... operands) {
  return sums_in_pieces<A>(
      cols, [&](int i) { return function(i, A(row.element(i)), A(operands.element(i))...); });
}

/// Two or three sums in one pass: function returns Values<A, K>.
template <class A, int K = 2, class Function, class T, int N, int P, bool R, class... Operand>
ADJOINT_DEVICE Values<A, K> row_sums(Block& block, int cols, const Function& function,
                                     const Row<T, N, P, R>& row, const Operand&... operands) {
  static_assert(K == 2 || K == 3);
  Values<A, K> sums{};
  if (one_thread_form<N, P>()) {
    // One after the other: plain sums over a row in cache beat a loop for all, which GCC hardly
    // vectorises. But for 16 bits, where each loop would convert the row again.
    if constexpr (K == 2 && sizeof(T) == 2)
      return one_thread_sums<A>(cols, function, row, operands...);
    const auto term = [&](auto j) {
      return row_sum<A>(
          block, cols, [&](int i, auto... values) { return function(i, values...).v[j]; }, row,
          operands...);
    };
    sums.v[0] = term(std::integral_constant<int, 0>{});
    sums.v[1] = term(std::integral_constant<int, 1>{});
    if constexpr (K > 2) sums.v[2] = term(std::integral_constant<int, 2>{});
    return sums;
  }
  const detail::Elementwise<Function> packed{function};
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto terms = packed(i, convert<A>(row.template pack<M>(p, i)),
                              convert<A>(operands.template pack<M>(p, i))...);
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) {
      ADJOINT_UNROLL
      for (int j = 0; j < K; ++j) sums[j] += terms[k][j];
    }
  });
  return block.sum(sums);
}

/// The largest element; a NaN may be passed over.
template <class A, class T, int N, int P, bool R>
ADJOINT_DEVICE A row_max(Block& block, int cols, const Row<T, N, P, R>& row) {
  A largest = -std::numeric_limits<A>::infinity();
  if (one_thread_form<N, P>()) {
    ADJOINT_SIMD_MAX(largest)
    for (int i = 0; i < cols; ++i) {
      const A value = A(row.element(i));
      largest = value > largest ? value : largest;
    }
    return largest;
  }
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto values = convert<A>(row.template pack<M>(p, i));
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) largest = values[k] > largest ? values[k] : largest;
  });
  return block.max(largest);
}

/// out[i] = function(i, operands...) over the row. `out` may be the memory of any operand.
template <class Threads, class Function, class Out, class T, int N, int P, bool R, class... Operand>
ADJOINT_DEVICE void row_map(const Threads& block, int cols, Out* out, const Function& function,
                            const Row<T, N, P, R>& row, const Operand&... operands) {
  if (one_thread_form<N, P>()) {
    detail::with_presence(
        [&](const auto&... present) {
          ADJOINT_SIMD
          for (int i = 0; i < cols; ++i)
            out[i] = function(i, Accumulate<T>(row.element(i)),
                              Accumulate<typename Operand::Element>(present.element(i))...);
        },
        operands...);
    return;
  }
  const detail::Elementwise<Function> packed{function};
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    store_pack<M>(out + i,
                  convert<Out>(packed(i, convert<Accumulate<T>>(row.template pack<M>(p, i)),
                                      convert<Accumulate<typename Operand::Element>>(
                                          operands.template pack<M>(p, i))...)));
  });
}

/// to[i] = from[i] over the row, in packs of N, without a Row.
template <int N, class Threads, class T>
ADJOINT_DEVICE void row_copy(const Threads& block, int cols, T* to, const T* from) {
  if (one_thread()) {
    ADJOINT_SIMD
    for (int i = 0; i < cols; ++i) to[i] = from[i];
    return;
  }
  for_packs<N, 0>(block, cols, [&](int, int i) { store_pack<N>(to + i, load_pack<N>(from + i)); });
}

/// to[i] = value.
template <int N, class Threads, class T>
ADJOINT_DEVICE void row_fill(const Threads& block, int cols, T* to, T value) {
  if (one_thread()) {
    ADJOINT_SIMD
    for (int i = 0; i < cols; ++i) to[i] = value;
    return;
  }
  const auto values = Uniform{value}.template pack<N>(0, 0);
  for_packs<N, 0>(block, cols, [&](int, int i) { store_pack<N>(to + i, values); });
}

/// Whether rows of `cols` elements at these addresses can be moved as 16-byte packs. Undefined
/// tensors do not vote.
inline bool rows_aligned(std::int64_t cols, std::initializer_list<Tensor> operands) {
  for (const Tensor& tensor : operands)
    if (tensor.defined() &&
        (!aligned16(tensor.data()) || std::size_t(cols) * size_of(tensor.dtype()) % 16 != 0))
      return false;
  return true;
}

/// Calls function.template operator()<N, P>(threads) with the form of Row that suits: the fewest
/// packs per thread that keep blocks small, at most kMostPacks (2, 4 or 8). `threads` is for
/// preferred_block().
template <class T, int kMostPacks, class Function>
void dispatch_row(std::int64_t cols, bool aligned, const Function& function) {
  if (!gpu_blocks()) return function.template operator()<1, 0>(1);
  const auto threads_for = [](std::int64_t items) { return int((items + 31) / 32 * 32); };
  if constexpr (sizeof(T) < 8) {  // float64 is for checking: one form suffices
    constexpr int N = 16 / sizeof(T);
    const std::int64_t packs = cols / N;
    if (aligned) {
      if (packs <= kRowThreads<1>) return function.template operator()<N, 1>(threads_for(packs));
      if (packs <= 2 * kRowThreads<2>)
        return function.template operator()<N, 2>(threads_for((packs + 1) / 2));
      if constexpr (kMostPacks >= 4)
        if (packs <= 4 * kRowThreads<4>)
          return function.template operator()<N, 4>(threads_for((packs + 3) / 4));
      if constexpr (kMostPacks >= 8)
        if (packs <= 8 * kRowThreads<8>)
          return function.template operator()<N, 8>(threads_for((packs + 7) / 8));
      return function.template operator()<N, 0>(kRowThreads<0>);
    }
  }
  function.template operator()<1, 0>(cols < kRowThreads<0> ? threads_for(cols) : kRowThreads<0>);
}

/// Whether rows of these tensors, of one type, have their 16-byte boundaries at the same elements.
inline bool rows_alike(std::initializer_list<Tensor> operands) {
  std::uintptr_t beyond = 16;
  for (const Tensor& tensor : operands) {
    if (!tensor.defined()) continue;
    const auto of_this = reinterpret_cast<std::uintptr_t>(tensor.data()) % 16;
    if (of_this % size_of(tensor.dtype()) != 0 || (beyond < 16 && of_this != beyond)) return false;
    beyond = of_this;
  }
  return true;
}

/// dispatch_row() for kernels that are also compiled for ragged rows: calls
/// function.template operator()<N, P, kRagged>(threads). Of ragged rows there are fewer forms.
template <class T, int kMostPacks, class Function>
void dispatch_ragged_row(std::int64_t cols, bool aligned, bool alike, const Function& function) {
  if constexpr (sizeof(T) < 8) {
    constexpr int N = 16 / sizeof(T);
    constexpr std::int64_t kShortest = 16 * N;  // shorter ones are mostly edges
    if (gpu_blocks() && !aligned && alike && cols >= kShortest) {
      const std::int64_t packs = cols / N;
      const auto threads = [&](int P) { return int((packs + 32 * P - 1) / (32 * P) * 32); };
      if (packs <= 2 * kRowThreads<2>) return function.template operator()<N, 2, true>(threads(2));
      if constexpr (kMostPacks >= 8)
        if (packs <= 8 * kRowThreads<8>)
          return function.template operator()<N, 8, true>(threads(8));
      return function.template operator()<N, 0, true>(kRowThreads<0>);
    }
  }
  dispatch_row<T, kMostPacks>(cols, aligned, [&]<int N, int P>(int threads) {
    function.template operator()<N, P, false>(threads);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
