// What losses over rows share that keep them in registers (kernels/row.h): sums of a softmax, and
// gradients of a row.
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/loss.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The largest element m of a row, and K sums of terms that depend on it.
template <class A, int K>
struct SoftmaxSums {
  A largest, count;  // elements
  Values<A, K> sums;
  int first;  // of the largest
};

/// Puts the sums of two parts of a row, each made with its own largest, together: as
/// rescale(sums, d, count) turns them, d being how much smaller the largest was.
template <class A, int K, class Rescale>
struct JoinSoftmax {
  static constexpr bool kSymmetric = true;
  const Rescale& rescale;

  ADJOINT_DEVICE void to(A largest, SoftmaxSums<A, K>& part) const {
    if (part.count > A(0) && part.largest != largest)
      rescale(part.sums, part.largest - largest, part.count);
    part.largest = largest;
  }
  ADJOINT_DEVICE SoftmaxSums<A, K> operator()(SoftmaxSums<A, K> a, SoftmaxSums<A, K> b) const {
    const A largest = a.largest > b.largest ? a.largest : b.largest;
    const bool a_has = a.largest == largest, b_has = b.largest == largest;
    const int first = a_has && (!b_has || a.first < b.first) ? a.first : b.first;
    to(largest, a);
    to(largest, b);
    return {largest, a.count + b.count, Sum{}(a.sums, b.sums), first};
  }
};

/// Whether a row is read from memory at each use by many threads.
template <int N, int P>
ADJOINT_DEVICE bool reads_memory() {
  return P == 0 && !one_thread_form<N, P>();
}

/// The sums of terms(i, m, x, operands...), a Values<A, K>, over a row whose largest element is m.
/// A row that registers hold is gone through twice. One that they do not is read once: each thread
/// makes its sums with the largest element it has met, and rescales them when it meets a larger one
/// (Milakov and Gimelshein, arXiv:1805.02867). Everyone gets them.
///
/// The first sum is that of exponentials. kTogether: a block of one thread makes the others in one
/// loop, for terms that its compiler does not vectorise.
template <class A, int K, bool kTogether, class Terms, class Rescale, class T, int N, int P, bool R,
          class... Operand>
ADJOINT_DEVICE SoftmaxSums<A, K> softmax_sums(Block& block, int cols, const Terms& terms,
                                              const Rescale& rescale, const Row<T, N, P, R>& row,
                                              const Operand&... operands) {
  if (!reads_memory<N, P>()) {
    const A m = row_max<A>(block, cols, row);
    const auto with_largest = [&](int i, A x, auto... operand) {
      return terms(i, m, x, operand...);
    };
    if (!kTogether || !one_thread_form<N, P>())
      return {m, A(cols), row_sums<A, K>(block, cols, with_largest, row, operands...), cols};
    const auto first = [&](int i, A x, auto... operand) {
      return with_largest(i, x, operand...).v[0];
    };
    const auto others = [&](int i, A x, auto... operand) {
      const Values<A, K> term = with_largest(i, x, operand...);
      return Values<A, 2>{term.v[1], term.v[2]};
    };
    const A sum = row_sum<A>(block, cols, first, row, operands...);
    const Values<A, 2> rest = one_thread_sums<A>(cols, others, row, operands...);
    return {m, A(cols), {sum, rest.v[0], rest.v[1]}, cols};
  }
  constexpr A kNone = -std::numeric_limits<A>::infinity();
  const JoinSoftmax<A, K, Rescale> join{rescale};
  SoftmaxSums<A, K> mine{kNone, A(0), {}, cols};
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto x = convert<A>(row.template pack<M>(p, i));
    A largest = mine.largest;
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) largest = x[k] > largest ? x[k] : largest;
    if (largest > mine.largest) {
      join.to(largest, mine);
      ADJOINT_UNROLL
      for (int k = M - 1; k >= 0; --k) mine.first = x[k] == largest ? i + k : mine.first;
    }
    // Relative to nothing but -infinity, terms would be those of NaN.
    const A m = largest == kNone ? A(0) : largest;
    const auto term = [&](int at, A x, auto... operand) { return terms(at, m, x, operand...); };
    const auto of_pack = detail::Elementwise<decltype(term)>{term}(
        i, x, convert<A>(operands.template pack<M>(p, i))...);
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) mine.sums = Sum{}(mine.sums, of_pack[k]);
    mine.count += A(M);
  });
  return block.reduce(mine, SoftmaxSums<A, K>{kNone, A(0), {}, cols}, join);
}

/// The classes of logits with so many columns: those asked for, or with 0 all.
inline std::int64_t classes_of(std::string_view kernel, std::int64_t asked, std::int64_t columns) {
  ADJOINT_CHECK(columns < kNoRow / 2, kernel, ": expected fewer than 2^30 classes, got ", columns);
  ADJOINT_CHECK(asked >= 0 && asked <= columns, kernel,
                ": expected at most as many classes as the ", columns,
                " columns of the logits, got ", asked);
  return asked == 0 ? columns : asked;
}

inline constexpr int kPaddingThreads = 64;

template <class T>
__global__ void __launch_bounds__(kPaddingThreads)
    zero_padding_kernel(T* gradient, int classes, int columns) {
  const Block block;
  T* const padding = gradient + std::int64_t(blockIdx.x) * columns + classes;
  ADJOINT_BLOCK_FOR(block, i, columns - classes) padding[i] = T(0.0f);
}

/// gradient[rows, columns] = 0 behind the classes of each row. A launch of its own, so that the
/// losses' kernels need no registers for it.
template <class T>
void zero_padding(Stream& stream, T* gradient, std::int64_t rows, std::int64_t classes,
                  std::int64_t columns) {
  if (columns > classes && rows > 0)
    launch<zero_padding_kernel<T>>(stream,
                                   {.grid = rows, .block = preferred_block(kPaddingThreads)},
                                   gradient, int(classes), int(columns));
}

/// Where rows of a gradient go: nowhere, over what is there, or added to it.
template <class T>
struct GradientRows {
  T* data;  // [rows, cols], or null
  bool add;
};

/// Checks that a gradient wanted has this type.
template <class T>
GradientRows<T> gradient_rows(std::string_view kernel, const Gradient& gradient,
                              const TensorType& type) {
  if (!gradient.wanted()) return {nullptr, false};
  check_operand(kernel, "gradient", gradient.tensor, type);
  return {gradient.tensor.data<T>(), gradient.accumulates()};
}

/// to (+)= function(i, x, a, b) for the row at `base`; nothing if it is not wanted. Written after
/// what stood before it in the kernel, also where two gradients share memory: a thread sees the
/// same elements each time.
template <class T, class Function, class X, class A, class B>
ADJOINT_DEVICE void write_gradient(const Block& block, int cols, const GradientRows<T>& to,
                                   std::int64_t base, const Function& function, const X& x,
                                   const A& a, const B& b) {
  using Number = Accumulate<T>;
  if (to.data == nullptr) return;
  T* const row = to.data + base;
  if (to.add) {
    const auto added = [&](int i, Number x, Number a, Number b, Number old) {
      return old + function(i, x, a, b);
    };
    row_map(block, cols, row, added, x, a, b, InMemory{static_cast<const T*>(row)});
  } else {
    row_map(block, cols, row, function, x, a, b);
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
