// Block: the threads of a one-dimensional block as one object, for kernels that are right for any
// block size. Its indexes are signed integers held in registers: `i += blockDim.x` would be
// unsigned arithmetic, which stops vectorisers. Reductions have one fixed tree, the same on both
// backends:
//
//   within a warp, lane l takes lane l + 16, then l + 8, 4, 2, 1; then the same over the warps'
//   results.
//
// So a result depends on the block size alone, never on timing, and the host reproduces the GPU's
// bits. On the GPU the block size must be a multiple of 32; with 32 or fewer threads no barrier is
// needed.
#pragma once

#include <cstdint>
#include <type_traits>

#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A few values reduced together: one barrier instead of one for each.
template <class T, int N>
struct Values {
  T v[N];

  ADJOINT_DEVICE T& operator[](int i) { return v[i]; }
  ADJOINT_DEVICE const T& operator[](int i) const { return v[i]; }
};

/// Combines two values, or Values element by element. `kSymmetric` promises that combining (a, b)
/// and (b, a) give the same bits, which saves a shuffle.
struct Sum {
  static constexpr bool kSymmetric = true;

  template <class T>
  ADJOINT_DEVICE T operator()(const T& a, const T& b) const {
    return a + b;
  }
  template <class T, int N>
  ADJOINT_DEVICE Values<T, N> operator()(const Values<T, N>& a, const Values<T, N>& b) const {
    Values<T, N> sum;
    ADJOINT_UNROLL
    for (int i = 0; i < N; ++i) sum[i] = a[i] + b[i];
    return sum;
  }
};

/// Like Sum; a NaN on either side stays, so that a broken row does not look healthy.
struct Max {
  static constexpr bool kSymmetric = true;

  template <class T>
  ADJOINT_DEVICE T operator()(const T& a, const T& b) const {
    return a > b || a != a ? a : b;
  }
  template <class T, int N>
  ADJOINT_DEVICE Values<T, N> operator()(const Values<T, N>& a, const Values<T, N>& b) const {
    Values<T, N> larger;
    ADJOINT_UNROLL
    for (int i = 0; i < N; ++i) larger[i] = (*this)(a[i], b[i]);
    return larger;
  }
};

template <class Combine, class = void>
inline constexpr bool kIsSymmetric = false;
template <class Combine>
inline constexpr bool kIsSymmetric<Combine, std::enable_if_t<Combine::kSymmetric>> = true;

#if defined(__CUDACC__)

/// Any trivially copyable value of whole 32-bit words, from another lane. `delta` is a constant in
/// all uses.
template <class T>
__device__ __forceinline__ T shuffle_down(const T& value, int delta) {
  static_assert(sizeof(T) % 4 == 0 && std::is_trivially_copyable_v<T>);
  unsigned words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
#pragma unroll
  for (unsigned& word : words) word = __shfl_down_sync(0xffffffffu, word, delta);
  T result;
  memcpy(&result, words, sizeof(T));
  return result;
}

template <class T>
__device__ __forceinline__ T shuffle_xor(const T& value, int lanes) {
  static_assert(sizeof(T) % 4 == 0 && std::is_trivially_copyable_v<T>);
  unsigned words[sizeof(T) / 4];
  memcpy(words, &value, sizeof(T));
#pragma unroll
  for (unsigned& word : words) word = __shfl_xor_sync(0xffffffffu, word, lanes);
  T result;
  memcpy(&result, words, sizeof(T));
  return result;
}

/// Reduces over a full warp; every lane gets the result.
template <class T, class Combine>
__device__ __forceinline__ T warp_reduce(T value, const Combine& combine) {
  if constexpr (kIsSymmetric<Combine>) {
#pragma unroll
    for (int lanes = 16; lanes > 0; lanes >>= 1) value = combine(value, shuffle_xor(value, lanes));
  } else {
#pragma unroll
    for (int delta = 16; delta > 0; delta >>= 1) value = combine(value, shuffle_down(value, delta));
    unsigned words[sizeof(T) / 4];
    memcpy(words, &value, sizeof(T));
#pragma unroll
    for (unsigned& word : words) word = __shfl_sync(0xffffffffu, word, 0);
    memcpy(&value, words, sizeof(T));
  }
  return value;
}

#endif  // on the host: core/device/host/reduce.h

/// One per kernel, made at its top; all threads of the block must take part in reductions and
/// sync(). Not copyable: successive reductions take turns in two pieces of shared memory, so that
/// each needs one barrier, and a copy would lose count.
class Block {
 public:
  const int thread;   ///< index of this thread
  const int threads;  ///< of the block

  ADJOINT_DEVICE Block() : thread(int(threadIdx.x)), threads(int(blockDim.x)) {}
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

#if defined(__CUDACC__)
  __device__ __forceinline__ void sync() const { __syncthreads(); }

  /// Reduces over the block; every thread gets the result. `identity` leaves any value as it is
  /// when combined with it. Rounding is fixed by the tree above.
  template <class T, class Combine>
  __device__ __forceinline__ T reduce(T value, const T& identity, const Combine& combine) {
    __shared__ alignas(16) unsigned char partials[2][32 * sizeof(T)];
    value = warp_reduce(value, combine);
    if (threads <= 32) return value;
    T* const partial = reinterpret_cast<T*>(partials[turn_ & 1]);
    ++turn_;
    if ((thread & 31) == 0) partial[thread >> 5] = value;
    // The only barrier: the previous reduction's partials lie in the other half, and whoever writes
    // there next has passed this barrier, hence has been read.
    __syncthreads();
    value = (thread & 31) < (threads >> 5) ? partial[thread & 31] : identity;
    return warp_reduce(value, combine);
  }
  __device__ __forceinline__ bool any(bool value) { return __syncthreads_or(value) != 0; }
  template <class T>
  __device__ __forceinline__ T sum(T value) {
    return reduce(value, T{}, Sum{});
  }
  __device__ __forceinline__ float max(float value) {
    return reduce(value, -std::numeric_limits<float>::infinity(), Max{});
  }
  __device__ __forceinline__ double max(double value) {
    return reduce(value, -std::numeric_limits<double>::infinity(), Max{});
  }
#else
  void sync(SourceLocation where = SourceLocation::current()) const {
    if (threads != 1) block_barrier(where);
  }
  /// Reduces over the block; every thread gets the result. `identity` leaves any value as it is
  /// when combined with it. Rounding is fixed by the tree above.
  template <class T, class Combine>
  __forceinline__ T reduce(T value, const T& identity, const Combine& combine,
                           SourceLocation where = SourceLocation::current()) {
    return threads == 1 ? value : block_reduce(value, identity, combine, where);
  }
  __forceinline__ bool any(bool value, SourceLocation where = SourceLocation::current()) {
    return threads == 1 ? value : block_vote(value, BlockVote::any, where) != 0;
  }
  template <class T>
  __forceinline__ T sum(T value, SourceLocation where = SourceLocation::current()) {
    return reduce(value, T{}, Sum{}, where);
  }
  template <class T>
  __forceinline__ T max(T value, SourceLocation where = SourceLocation::current()) {
    return reduce(value, -std::numeric_limits<T>::infinity(), Max{}, where);
  }
#endif

 private:
#if defined(__CUDACC__)
  unsigned turn_ = 0;
#endif
};

template <class T>
ADJOINT_DEVICE T warp_sum(T value) {
  return warp_reduce(value, Sum{});
}
template <class T>
ADJOINT_DEVICE T warp_max(T value) {
  return warp_reduce(value, Max{});
}

/// for (int i: this thread's share of [0, n)), neighbouring threads on neighbouring elements.
#define ADJOINT_BLOCK_FOR(block, i, n) for (int i = (block).thread; i < (n); i += (block).threads)

/// for (std::int64_t i: this thread's share of [0, n) over the whole grid): grid-stride, or one
/// contiguous piece per block where blocks have one thread, so that the host runs a plain loop.
#define ADJOINT_GRID_FOR(i, n)                                                          \
  for (auto [i, adjoint_end, adjoint_step] = ::adjoint::grid_range(n); i < adjoint_end; \
       i += adjoint_step)

struct GridRange {
  std::int64_t begin, end, step;
};

ADJOINT_DEVICE GridRange grid_range(std::int64_t n) {
#if !defined(__CUDACC__)
  if (blockDim.x == 1) {
    const std::int64_t piece = (n + gridDim.x - 1) / std::int64_t(gridDim.x);
    const std::int64_t begin = std::int64_t(blockIdx.x) * piece;
    const std::int64_t end = begin + piece;
    return {begin, end < n ? end : n, 1};
  }
#endif
  return {std::int64_t(blockIdx.x) * blockDim.x + threadIdx.x, n,
          std::int64_t(gridDim.x) * blockDim.x};
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
