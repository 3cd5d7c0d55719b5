// Positions sorted by a small key, those of equal keys in their order: what a gradient needs that
// adds in a fixed order what many positions contribute to one row. A radix sort from the lowest
// eight bits of the keys up (Knuth, The Art of Computer Programming 3, section 5.2.5), two kernels
// for each digit: one counts the digits of every tile of positions; one moves each position behind
// those of smaller digits, of equal ones in earlier tiles, and of equal ones before it in its tile.
// Within a tile a warp takes a stretch, 32 positions at a time. Only integers are added, so the
// order is the same for any block.
#pragma once

#include <bit>

#include "core/device/kernel.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr int kSortThreads = 256, kSortWarps = kSortThreads / 32;
inline constexpr int kDigitBits = 8, kDigits = 1 << kDigitBits;
inline constexpr std::int64_t kSortTile = 2048, kSortMostTiles = 128;

/// Positions of a tile: more for many, so that the counts of all tiles are few enough for each
/// block to add them up.
inline std::int64_t sort_tile(std::int64_t positions) {
  const std::int64_t share = (positions + kSortMostTiles - 1) / kSortMostTiles;
  return share < kSortTile ? kSortTile : share;
}

/// Keys and their positions in one order.
struct SortedPositions {
  std::int32_t* keys;       // [positions]
  std::int32_t* positions;  // [positions]
};

struct SortPass {
  std::int64_t count, tile;
  int shift;

  ADJOINT_DEVICE int digit(std::int32_t key) const { return (key >> shift) & (kDigits - 1); }
  ADJOINT_DEVICE std::int64_t begin() const { return blockIdx.x * tile; }
  ADJOINT_DEVICE std::int64_t end() const {
    return begin() + tile < count ? begin() + tile : count;
  }
};

/// The threads that go through a stretch of a tile together: a warp, or a block's one thread.
struct Lanes {
  int lane, lanes, warp, warps;
  std::int64_t begin, end;  ///< of the warp's stretch

  ADJOINT_DEVICE Lanes(const Block& block, const SortPass& pass) {
    lanes = block.threads < 32 ? 1 : 32;
    lane = block.thread % lanes;
    warp = block.thread / lanes;
    warps = block.threads / lanes;
    const std::int64_t stretch = (pass.tile + warps - 1) / warps;
    begin = pass.begin() + warp * stretch;
    end = begin + stretch < pass.end() ? begin + stretch : pass.end();
  }

  /// Those with the same value, and how many of them come before this one.
  ADJOINT_DEVICE unsigned alike(int value) const {
    return one_thread() ? 1u : __match_any_sync(0xffffffffu, value);
  }
  ADJOINT_DEVICE int before(unsigned alike) const { return __popc(alike & ((1u << lane) - 1)); }
  ADJOINT_DEVICE void sync() const {
    if (!one_thread()) __syncwarp();
  }
};

/// Adds to count[digit] the positions of a warp's stretch, without atomics, on which positions of
/// one digit would queue.
template <class KeyOf>
ADJOINT_DEVICE void count_stretch(const Lanes& at, const SortPass& pass, const KeyOf& key_of,
                                  std::int32_t (&count)[kDigits]) {
  for (std::int64_t first = at.begin; first < at.end; first += at.lanes) {
    const std::int64_t p = first + at.lane;
    const int digit = p < at.end ? pass.digit(key_of(p)) : kDigits;
    const unsigned alike = at.alike(digit);
    if (p < at.end && at.before(alike) == 0) count[digit] += __popc(alike);
    at.sync();
  }
}

/// counts[tile, digit], with keys key_of(p).
template <class KeyOf>
__global__ void __launch_bounds__(kSortThreads)
    count_digits_kernel(SortPass pass, std::int32_t* counts, KeyOf key_of) {
  ADJOINT_SHARED(std::int32_t, count, [kSortWarps][kDigits]);
  const Block block;
  const Lanes at(block, pass);
  ADJOINT_BLOCK_FOR(block, i, at.warps * kDigits) count[i / kDigits][i % kDigits] = 0;
  block.sync();
  count_stretch(at, pass, key_of, count[at.warp]);
  block.sync();
  ADJOINT_BLOCK_FOR(block, d, kDigits) {
    std::int32_t sum = 0;
    for (int w = 0; w < at.warps; ++w) sum += count[w][d];
    counts[std::int64_t(blockIdx.x) * kDigits + d] = sum;
  }
}

/// place[d] = the place of this tile's first position of digit d.
ADJOINT_DEVICE void first_places(const Block& block, const std::int32_t* counts, int tiles,
                                 std::int32_t (&place)[kDigits]) {
  ADJOINT_SHARED(std::int32_t, sums, [2][kDigits]);
  ADJOINT_BLOCK_FOR(block, d, kDigits) {
    std::int32_t before = 0, total = 0;
    for (int tile = 0; tile < tiles; ++tile) {
      const std::int32_t count = counts[tile * kDigits + d];
      before += tile < int(blockIdx.x) ? count : 0;
      total += count;
    }
    place[d] = before - total;
    sums[0][d] = total;
  }
  block.sync();
  int turn = 0;
  for (int distance = 1; distance < kDigits; distance *= 2, turn ^= 1) {
    ADJOINT_BLOCK_FOR(block, d, kDigits)
    sums[turn ^ 1][d] = sums[turn][d] + (d >= distance ? sums[turn][d - distance] : 0);
    block.sync();
  }
  ADJOINT_BLOCK_FOR(block, d, kDigits) place[d] += sums[turn][d];
  block.sync();
}

/// Moves each position to its place. `from` (null in the first pass: in their order) holds the
/// positions whose keys these are. Sets seen[key] to 1 for all keys, unless it is null.
template <class KeyOf>
__global__ void __launch_bounds__(kSortThreads)
    move_positions_kernel(SortPass pass, SortedPositions to, const std::int32_t* counts,
                          KeyOf key_of, const std::int32_t* from, std::int32_t* seen) {
  ADJOINT_SHARED(std::int32_t, place, [kDigits]);
  ADJOINT_SHARED(std::int32_t, next, [kSortWarps][kDigits]);  // of a warp's stretch
  const Block block;
  const Lanes at(block, pass);
  ADJOINT_BLOCK_FOR(block, i, at.warps * kDigits) next[i / kDigits][i % kDigits] = 0;
  first_places(block, counts, int(gridDim.x), place);  // ends with a barrier
  count_stretch(at, pass, key_of, next[at.warp]);
  block.sync();
  ADJOINT_BLOCK_FOR(block, d, kDigits) {
    std::int32_t first = place[d];
    for (int w = 0; w < at.warps; ++w) {
      const std::int32_t count = next[w][d];
      next[w][d] = first;
      first += count;
    }
  }
  block.sync();
  for (std::int64_t first = at.begin; first < at.end; first += at.lanes) {
    const std::int64_t p = first + at.lane;
    const bool mine = p < at.end;
    const std::int32_t key = mine ? key_of(p) : 0;
    const int digit = mine ? pass.digit(key) : kDigits;
    const unsigned alike = at.alike(digit);
    const int before = at.before(alike);
    if (mine) {
      const std::int32_t to_place = next[at.warp][digit] + before;
      to.keys[to_place] = key;
      to.positions[to_place] = from == nullptr ? std::int32_t(p) : from[p];
    }
    at.sync();  // all have read where the next ones go
    if (mine && before == 0) next[at.warp][digit] += __popc(alike);
    at.sync();
    if (seen == nullptr) continue;
    // Equal keys queue on an atomic: one of a warp is enough.
    const unsigned equal = at.alike(mine ? key : -1);
    if (mine && at.before(equal) == 0) atomicMax(seen + key, 1);
  }
}

/// Counts that a sort needs memory for, no fewer for more positions.
inline std::int64_t sort_counts(std::int64_t positions) {
  const std::int64_t tiles = (positions + kSortTile - 1) / kSortTile;
  return kDigits * (tiles < kSortMostTiles ? tiles : kSortMostTiles);
}

/// Sorts positions [0, count) by key_of(p), at least 0 and at most `largest`; its member `keys`,
/// where it reads them, is made to point to those of each pass. The result lies in one of the two
/// `buffers`; `counts` has sort_counts() elements. Sets seen[key] to 1 for all keys there are, of
/// [largest + 1] elements, unless it is null.
template <class KeyOf>
SortedPositions sort_positions(Stream& stream, std::int64_t count, std::int32_t largest,
                               KeyOf key_of, SortedPositions (&buffers)[2], std::int32_t* counts,
                               std::int32_t* seen) {
  SortPass pass{.count = count, .tile = sort_tile(count), .shift = 0};
  const int bits = std::bit_width(std::uint32_t(largest));
  const LaunchShape shape{.grid = (count + pass.tile - 1) / pass.tile,
                          .block = preferred_block(kSortThreads)};
  const std::int32_t* from = nullptr;
  for (int turn = 0;; turn ^= 1, pass.shift += kDigitBits) {
    const bool last = pass.shift + kDigitBits >= bits;
    const SortedPositions& to = buffers[turn];
    launch<count_digits_kernel<KeyOf>>(stream, shape, pass, counts, key_of);
    launch<move_positions_kernel<KeyOf>>(stream, shape, pass, to, counts, key_of, from,
                                         last ? seen : nullptr);
    if (last) return to;
    key_of.keys = to.keys;
    from = to.positions;
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
