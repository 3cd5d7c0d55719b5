// Packs: N neighbouring elements moved with one 16-byte access, and loops over them. On them stand
// all elementwise kernels, which read each input once:
//
//   map<N>(shape, y, [](std::int64_t i, float x) { return 2 * x; }, x);
//
// On the GPU a block takes a chunk of the elements, a thread kPacksPerThread packs of it. In a
// block of one thread, the host's, the chunk is a plain loop for the vectoriser. The first `head`
// elements, up to the first 16-byte boundary, and the last ones that fill no pack go one by one,
// and so do all where operands are aligned differently: a branch of one kernel, not a second one.
#pragma once

#include <cstdint>

#include "core/device/kernel.h"
#include "kernels/dispatch.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Whether the block has one thread, as the host's have unless a test keeps the GPU's size. Never
/// on the GPU, where the compiler drops what is meant for that.
ADJOINT_DEVICE bool one_thread() {
#if defined(__CUDACC__)
  return false;
#else
  return blockDim.x == 1;
#endif
}

/// Where a pack may lie: on what one access moves, at most 16 bytes. Packs of results that are
/// never in memory may be of any size.
template <class T, int N>
inline constexpr std::size_t kPackAlignment = sizeof(T) * N % 16 == 0              ? 16
                                              : (sizeof(T) & (sizeof(T) - 1)) == 0 ? sizeof(T) * N
                                                                                   : alignof(T);

template <class T, int N>
struct alignas(kPackAlignment<T, N>)
#if !defined(__CUDACC__)
    [[gnu::may_alias]]
#endif
    Pack {
  T v[N];

  ADJOINT_DEVICE T& operator[](int i) { return v[i]; }
  ADJOINT_DEVICE const T& operator[](int i) const { return v[i]; }
};

template <int N, class T>
ADJOINT_DEVICE Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}

/// On the GPU 16 bytes are stored by the intrinsic: left to itself nvcc takes a computed pack apart
/// and stores its elements.
template <int N, class T>
ADJOINT_DEVICE void store_pack(T* to, const Pack<T, N>& pack) {
#if defined(__CUDACC__)
  if constexpr (sizeof(pack) == sizeof(uint4)) {
    __stwb(reinterpret_cast<uint4*>(to), __builtin_bit_cast(uint4, pack));
    return;
  }
#endif
  *reinterpret_cast<Pack<T, N>*>(to) = pack;
}

template <class To, class From, int N>
ADJOINT_DEVICE Pack<To, N> convert(const Pack<From, N>& from) {
  Pack<To, N> to;
  ADJOINT_UNROLL
  for (int k = 0; k < N; ++k) to[k] = static_cast<To>(from[k]);
  return to;
}

/// Which elements a map covers: `count` of them, the first `head` before the first whole pack.
struct MapShape {
  std::int64_t count = 0;
  int head = 0;
  bool in_packs = true;  ///< whether all operands lie on 16 bytes behind the head
};

inline constexpr int kMapThreads = 256;
inline constexpr int kPacksPerThread = 2;

/// Elements of one block.
template <int N>
inline constexpr int kChunk = kMapThreads* kPacksPerThread* N;

/// Width of the packs that a block of one thread gives to the function of map_packs().
inline constexpr int kHostPack = 32;

namespace detail {

template <int N, class T>
ADJOINT_DEVICE Pack<T, N> load_first(const T* from, int n) {
  Pack<T, N> pack{};
  for (int k = 0; k < n; ++k) pack[k] = from[k];
  return pack;
}

template <class Out, class Function, class... In>
ADJOINT_DEVICE void map_host_packs(std::int64_t base, int n, Out* out, const Function& function,
                                   const In*... in) {
  int i = 0;
  for (; i + kHostPack <= n; i += kHostPack) {
    const Pack<Out, kHostPack> result = convert<Out>(
        function(base + i, convert<Accumulate<In>>(load_first<kHostPack>(in + i, kHostPack))...));
    for (int k = 0; k < kHostPack; ++k) out[i + k] = result[k];
  }
  if (i == n) return;
  const Pack<Out, kHostPack> result = convert<Out>(
      function(base + i, convert<Accumulate<In>>(load_first<kHostPack>(in + i, n - i))...));
  for (int k = 0; k < n - i; ++k) out[i + k] = result[k];
}

template <class Out, class Function, class... In>
ADJOINT_DEVICE void map_host(std::int64_t base, int n, Out* out, const Function& function,
                             const In*... in) {
  ADJOINT_SIMD
  for (int i = 0; i < n; ++i) out[i] = function(base + i, Accumulate<In>(in[i])...);
}

/// The n elements of a chunk, one thread's share. All loads stand before all stores: they may
/// alias, and the compiler could not move them up itself.
template <int N, class Out, class Function, class... In>
ADJOINT_GPU_FORM void map_gpu_packs(std::int64_t base, int n, bool in_packs, Out* out,
                                    const Function& function, const In*... in) {
  const int thread = int(threadIdx.x), threads = int(blockDim.x);
  if (in_packs && n == kChunk<N> && threads == kMapThreads) {
    Pack<Out, N> result[kPacksPerThread];
    ADJOINT_UNROLL
    for (int p = 0; p < kPacksPerThread; ++p) {
      const int i = (p * kMapThreads + thread) * N;
      result[p] =
          convert<Out>(function(base + i, convert<Accumulate<In>>(load_pack<N>(in + i))...));
    }
    ADJOINT_UNROLL
    for (int p = 0; p < kPacksPerThread; ++p)
      store_pack<N>(out + (p * kMapThreads + thread) * N, result[p]);
    return;
  }
  const int whole = in_packs ? n / N * N : 0;
  for (int i = thread * N; i < whole; i += threads * N)
    store_pack<N>(out + i, convert<Out>(function(
                               base + i, convert<Accumulate<In>>(load_pack<N>(in + i))...)));
  for (int i = whole + thread; i < n; i += threads)
    store_pack<1>(out + i, convert<Out>(function(
                               base + i, convert<Accumulate<In>>(load_pack<1>(in + i))...)));
}

/// A function of single elements as one of packs.
template <class Function>
struct Elementwise {
  const Function& function;

  template <class First, class... Rest, int N>
  ADJOINT_DEVICE auto operator()(std::int64_t i, const Pack<First, N>& first,
                                 const Pack<Rest, N>&... rest) const {
    Pack<decltype(function(i, first[0], rest[0]...)), N> result;
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) result[k] = function(i + k, first[k], rest[k]...);
    return result;
  }
};

}  // namespace detail

/// out[i] = function(i, in[i]...) for all i, the function getting and giving packs of the
/// accumulation type: `Pack<float, M> operator()(std::int64_t i, const Pack<float, M>&...)` for any
/// M, i being the index of the first element. Threads of one block take neighbouring packs. `out`
/// may be any `in`.
template <int N, class Out, class Function, class... In>
ADJOINT_DEVICE void map_packs(const MapShape& shape, Out* out, const Function& function,
                              const In*... in) {
  const std::int64_t base = shape.head + std::int64_t(blockIdx.x) * kChunk<N>;
  if (shape.head > 0 && blockIdx.x == 0)
    for (int i = int(threadIdx.x); i < shape.head; i += int(blockDim.x))
      store_pack<1>(out + i,
                    convert<Out>(function(i, convert<Accumulate<In>>(load_pack<1>(in + i))...)));
  const std::int64_t left = shape.count - base;
  const int n = left < kChunk<N> ? int(left) : kChunk<N>;
  if (one_thread())
    detail::map_host_packs(base, n, out + base, function, (in + base)...);
  else
    detail::map_gpu_packs<N>(base, n, shape.in_packs, out + base, function, (in + base)...);
}

/// out[i] = function(i, in[i]...) for all i: `float operator()(std::int64_t i, float...)`.
template <int N, class Out, class Function, class... In>
ADJOINT_DEVICE void map(const MapShape& shape, Out* out, const Function& function,
                        const In*... in) {
  if (!one_thread())
    return map_packs<N>(shape, out, detail::Elementwise<Function>{function}, in...);
  const std::int64_t base = blockIdx.x == 0 ? 0 : shape.head + std::int64_t(blockIdx.x) * kChunk<N>;
  const std::int64_t end = shape.head + (std::int64_t(blockIdx.x) + 1) * kChunk<N>;
  const int n = int((shape.count < end ? shape.count : end) - base);
  detail::map_host(base, n, out + base, function, (in + base)...);
}

/// Blocks of a map.
template <int N>
std::int64_t map_blocks(const MapShape& shape) {
  const std::int64_t rest = shape.count - shape.head;
  // A map shorter than one pack's alignment still needs the block that does its head.
  return shape.count == 0 ? 0 : rest <= kChunk<N> ? 1 : (rest + kChunk<N> - 1) / kChunk<N>;
}

/// Elements before the first 16-byte boundary in all of the operands, or -1 where they disagree.
/// Undefined tensors do not vote. N is the elements of a pack.
inline int map_head(int N, std::initializer_list<Tensor> operands) {
  int head = -1;
  for (const Tensor& tensor : operands) {
    if (!tensor.defined()) continue;
    const std::size_t element = size_of(tensor.dtype());
    const std::size_t alignment = element * std::size_t(N) < 16 ? element * std::size_t(N) : 16;
    const std::size_t beyond = reinterpret_cast<std::uintptr_t>(tensor.data()) % alignment;
    const int elements = beyond == 0 ? 0 : int((alignment - beyond) / element);
    if (beyond % element != 0 || (head >= 0 && head != elements)) return -1;
    head = elements;
  }
  return head;
}

/// Elements of a pack of a map over these types: 16 bytes of the narrowest of them. float64, the
/// checking type, goes one by one: a variant less to compile.
template <class... T>
inline constexpr int kMapPack = [] {
  if ((std::is_same_v<T, double> || ...)) return 1;
  int widest = 1;
  for (int n : {int(16 / sizeof(T))...}) widest = n > widest ? n : widest;
  return widest;
}();

/// Calls function.template operator()<N>(shape, LaunchShape).
/// `aligned_groups`: elements must be in packs by their index (head 0), as random numbers are.
template <int N, class Function>
void dispatch_map(std::int64_t count, std::initializer_list<Tensor> operands,
                  const Function& function, bool aligned_groups = false) {
  const int head = map_head(N, operands);
  const bool in_packs = head == 0 || (head > 0 && head <= count && !aligned_groups);
  const MapShape shape{count, in_packs ? head : 0, in_packs};
  function.template operator()<N>(
      shape, LaunchShape{.grid = map_blocks<N>(shape), .block = preferred_block(kMapThreads)});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
