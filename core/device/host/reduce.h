// The host's half of core/device/block.h: a reduction is one rendezvous, whose last arriver
// computes the tree of the GPU for everybody, operand by operand, hence to the same bits.
#pragma once

#include <cstring>
#include <type_traits>

#include "core/device/host/collectives.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What the last arriver of a block reduction computes: `values` holds one value per thread.
using CombineBlock = void (*)(const unsigned char* values, unsigned threads, unsigned char* result,
                              const void* data);
inline constexpr std::size_t kMaxReducedBytes = 256;

/// Meets all living threads of the block; each brings `bytes` at `value` and gets `bytes` in
/// `result`.
void block_collective(const void* value, void* result, std::size_t bytes, CombineBlock combine,
                      const void* data, SourceLocation where);

/// Halves 32 values five times: lane l takes lane l + 16, then l + 8, 4, 2, 1. The result is
/// lanes[0].
template <class T, class Combine>
inline void reduce_tree(T (&lanes)[32], const Combine& combine) {
  for (int delta = 16; delta > 0; delta >>= 1)
    for (int lane = 0; lane < delta; ++lane)
      lanes[lane] = combine(lanes[lane], lanes[lane + delta]);
}

/// The warps' trees, then the tree of their results, as block.h describes.
template <class T, class Combine>
T reduce_block_values(const unsigned char* values, unsigned threads, const T& identity,
                      const Combine& combine) {
  T warps[32];
  for (unsigned warp = 0; warp < 32; ++warp) {
    warps[warp] = identity;
    if (warp * 32 >= threads) continue;
    T lanes[32];
    for (unsigned lane = 0; lane < 32; ++lane) {
      lanes[lane] = identity;
      const unsigned thread = warp * 32 + lane;
      if (thread < threads) std::memcpy(&lanes[lane], values + thread * sizeof(T), sizeof(T));
    }
    reduce_tree(lanes, combine);
    warps[warp] = lanes[0];
  }
  if (threads <= 32) return warps[0];
  reduce_tree(warps, combine);
  return warps[0];
}

template <class T, class Combine>
T block_reduce(const T& value, const T& identity, const Combine& combine, SourceLocation where) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= kMaxReducedBytes);
  struct Data {
    const T& identity;
    const Combine& combine;
  } data{identity, combine};
  T result;
  block_collective(
      &value, &result, sizeof(T),
      [](const unsigned char* values, unsigned threads, unsigned char* out, const void* packed) {
        const Data& data = *static_cast<const Data*>(packed);
        const T reduced = reduce_block_values<T>(values, threads, data.identity, data.combine);
        std::memcpy(out, &reduced, sizeof(T));
      },
      &data, where);
  return result;
}

/// Reduces over a full warp; every lane gets the result. Values of up to 8 bytes. In a block of one
/// thread, the warp is that thread.
template <class T, class Combine>
T warp_reduce(const T& value, const Combine& combine,
              SourceLocation where = SourceLocation::current()) {
  if (thread_state.block_threads == 1) return value;
  const CombineLanes tree = [](WarpExchange& exchange, const void* data) {
    T lanes[32];
    for (int lane = 0; lane < 32; ++lane) lanes[lane] = from_word<T>(exchange.values[lane]);
    reduce_tree(lanes, *static_cast<const Combine*>(data));
    exchange.broadcast(to_word(lanes[0]));
  };
  return from_word<T>(
      warp_collective(0xffffffffu, WarpOperation::tree, to_word(value), 0, tree, &combine, where));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
