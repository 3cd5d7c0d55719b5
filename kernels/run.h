// Runs: elements at a constant distance, of tensors that lie in memory in any way. A thread of a
// GPU takes a pack of a run at a time, a block of one thread whole runs, as plain loops.
#pragma once

#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Elements at a distance from each other.
template <class T>
struct Run {
  T* data;
  std::int64_t stride;  ///< 1 where packs are wider
};

/// Calls body(run, first, n) for items [begin, end) that lie in runs of `length`: n neighbours in
/// one. A thread takes kItems of them, one at a time; a block of one thread takes whole runs.
template <int kItems, class Length, class Body>
ADJOINT_DEVICE void for_runs(const Block& block, std::uint32_t begin, std::uint32_t end,
                             const Length& length, const Body& body) {
  if (one_thread()) {
    for (std::uint32_t item = begin; item < end;) {
      const std::uint32_t run = length.quotient(item);
      const std::uint32_t first = item - run * length.value();
      const std::uint32_t left = length.value() - first;
      const int items = int(left < end - item ? left : end - item);
      body(run, first, items);
      item += std::uint32_t(items);
    }
    return;
  }
  ADJOINT_UNROLL
  for (int k = 0; k < kItems; ++k) {
    const std::uint32_t item = begin + std::uint32_t(k * block.threads + block.thread);
    if (item >= end) break;
    const std::uint32_t run = length.quotient(item);
    body(run, item - run * length.value(), 1);
  }
}

/// out[i] = function(i, in[i]...) for the `items` packs of N that for_runs() gives.
template <int N, class Out, class Function, class... In>
ADJOINT_DEVICE void map_run(int items, Run<Out> out, const Function& function,
                            Run<const In>... in) {
  if (one_thread()) {
    const std::int64_t n = std::int64_t(items) * N;
    if (out.stride == 1 && ((in.stride == 1) && ...)) {
      detail::map_host(0, int(n), out.data, function, in.data...);
    } else {
      for (std::int64_t i = 0; i < n; ++i)
        out.data[i * out.stride] = function(i, Accumulate<In>(in.data[i * in.stride])...);
    }
    return;
  }
  store_pack<N>(out.data, convert<Out>(detail::Elementwise<Function>{function}(
                              0, convert<Accumulate<In>>(load_pack<N>(in.data))...)));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
