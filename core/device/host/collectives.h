// Barriers, shuffles and votes, with the semantics of the PTX instructions behind them
// (barrier.sync, shfl.sync, vote.sync, match.sync, redux.sync; PTX ISA, "Parallel Synchronization
// and Communication Instructions"). A lane that arrives deposits its value and is suspended; the
// last one computes all results. The place of the call comes along for error messages.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/base/error.h"
#include "core/device/host/language.h"
#include "core/device/host/thread_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

enum class BlockVote : std::uint8_t { count, all, any };

/// Waits for all living threads of the block.
void block_barrier(SourceLocation where);
/// The same, and counts or combines a predicate.
int block_vote(bool predicate, BlockVote vote, SourceLocation where);

enum class WarpOperation : std::uint8_t {
  none,
  sync,
  shuffle,
  ballot,
  match,
  reduce_add,
  reduce_min,
  reduce_max,
  reduce_and,
  reduce_or,
  reduce_xor,
  tree
};

/// One exchange of a warp: what each lane brought, and room for what each lane gets.
struct WarpExchange {
  std::uint32_t lanes = 0;  ///< that take part
  std::uint64_t values[32]{};
  std::uint8_t sources[32]{};  ///< of shuffles: whose value each lane wants
  std::uint64_t results[32]{};

  /// Gives every lane that takes part the same result; others may still have to read theirs.
  void broadcast(std::uint64_t result) {
    for (std::uint32_t rest = lanes; rest; rest &= rest - 1)
      results[std::countr_zero(rest)] = result;
  }
};
using CombineLanes = void (*)(WarpExchange& exchange, const void* data);

/// Meets the other lanes of the mask that are alive, in the same operation.
std::uint64_t warp_collective(std::uint32_t mask, WarpOperation operation, std::uint64_t value,
                              unsigned source_lane, CombineLanes combine, const void* data,
                              SourceLocation where);
void combine_shuffle(WarpExchange& exchange, const void*);
void combine_ballot(WarpExchange& exchange, const void*);
void combine_match(WarpExchange& exchange, const void*);

/// Ends the running kernel with an error at this place of its source.
[[noreturn]] void fail_kernel(const std::string& message, SourceLocation where);

template <class T>
std::uint64_t to_word(T value) {
  static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);
  std::uint64_t word = 0;
  std::memcpy(&word, &value, sizeof(T));
  return word;
}
template <class T>
T from_word(std::uint64_t word) {
  T value;
  std::memcpy(&value, &word, sizeof(T));
  return value;
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source_lane, SourceLocation where) {
  return from_word<T>(warp_collective(mask, WarpOperation::shuffle, to_word(value), source_lane,
                                      &combine_shuffle, nullptr, where));
}

/// The first lane of the segment of `width` lanes that a lane lies in.
inline unsigned segment_begin(unsigned lane, int width) { return lane & ~(unsigned(width) - 1u); }

template <class T, class Operation>
T warp_reduction(unsigned mask, T value, WarpOperation operation, SourceLocation where) {
  const CombineLanes combine = [](WarpExchange& exchange, const void*) {
    const auto lane = [&](unsigned l) { return from_word<T>(exchange.values[l]); };
    std::uint32_t rest = exchange.lanes;
    T result = lane(unsigned(std::countr_zero(rest)));
    for (rest &= rest - 1; rest; rest &= rest - 1)
      result = Operation{}(result, lane(unsigned(std::countr_zero(rest))));
    exchange.broadcast(to_word(result));
  };
  return from_word<T>(warp_collective(mask, operation, to_word(value), 0, combine, nullptr, where));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

// CUDA's names, global as in CUDA; `static`, because nvcc's host code has symbols of the same
// names.
#define ADJOINT_WHERE ::adjoint::SourceLocation where = ::adjoint::SourceLocation::current()

static inline void __syncthreads(ADJOINT_WHERE) { ::adjoint::block_barrier(where); }
static inline int __syncthreads_count(int predicate, ADJOINT_WHERE) {
  return ::adjoint::block_vote(predicate != 0, ::adjoint::BlockVote::count, where);
}
static inline int __syncthreads_and(int predicate, ADJOINT_WHERE) {
  return ::adjoint::block_vote(predicate != 0, ::adjoint::BlockVote::all, where);
}
static inline int __syncthreads_or(int predicate, ADJOINT_WHERE) {
  return ::adjoint::block_vote(predicate != 0, ::adjoint::BlockVote::any, where);
}

static inline void __syncwarp(unsigned mask = 0xffffffffu, ADJOINT_WHERE) {
  ::adjoint::warp_collective(mask, ::adjoint::WarpOperation::sync, 0, 0, nullptr, nullptr, where);
}
/// A legal answer: only the calling lane is known to be converged.
static inline unsigned __activemask() { return 1u << ::adjoint::lane_index(); }

template <class T>
static inline T __shfl_sync(unsigned mask, T value, int source, int width = 32, ADJOINT_WHERE) {
  const unsigned begin = ::adjoint::segment_begin(::adjoint::lane_index(), width);
  return ::adjoint::shuffle(mask, value, begin | (unsigned(source) & (unsigned(width) - 1u)),
                            where);
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32,
                               ADJOINT_WHERE) {
  const unsigned lane = ::adjoint::lane_index();
  const bool inside = lane >= ::adjoint::segment_begin(lane, width) + (delta & 31u);
  return ::adjoint::shuffle(mask, value, inside ? lane - (delta & 31u) : lane, where);
}
template <class T>
static inline T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32,
                                 ADJOINT_WHERE) {
  const unsigned lane = ::adjoint::lane_index(), source = lane + (delta & 31u);
  const bool inside = source < ::adjoint::segment_begin(lane, width) + unsigned(width);
  return ::adjoint::shuffle(mask, value, inside ? source : lane, where);
}
template <class T>
static inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, ADJOINT_WHERE) {
  const unsigned lane = ::adjoint::lane_index(), source = lane ^ (unsigned(lanes) & 31u);
  const bool inside = source < ::adjoint::segment_begin(lane, width) + unsigned(width);
  return ::adjoint::shuffle(mask, value, inside ? source : lane, where);
}

static inline unsigned __ballot_sync(unsigned mask, int predicate, ADJOINT_WHERE) {
  return unsigned(::adjoint::warp_collective(mask, ::adjoint::WarpOperation::ballot, predicate != 0,
                                             0, &::adjoint::combine_ballot, nullptr, where));
}
static inline int __any_sync(unsigned mask, int predicate, ADJOINT_WHERE) {
  return __ballot_sync(mask, predicate, where) != 0;
}
static inline int __all_sync(unsigned mask, int predicate, ADJOINT_WHERE) {
  return __ballot_sync(mask, !predicate, where) == 0;
}
template <class T>
static inline unsigned __match_any_sync(unsigned mask, T value, ADJOINT_WHERE) {
  return unsigned(::adjoint::warp_collective(mask, ::adjoint::WarpOperation::match,
                                             ::adjoint::to_word(value), 0,
                                             &::adjoint::combine_match, nullptr, where));
}

#define ADJOINT_REDUCE_SYNC(name, operation, type, ...)                                            \
  static inline type name(unsigned mask, type value, ADJOINT_WHERE) {                              \
    struct Operation {                                                                             \
      type operator()(type a, type b) const { return __VA_ARGS__; }                                \
    };                                                                                             \
    return ::adjoint::warp_reduction<type, Operation>(mask, value,                                 \
                                                      ::adjoint::WarpOperation::operation, where); \
  }
// Sums wrap around as on the GPU, hence the detour over unsigned.
ADJOINT_REDUCE_SYNC(__reduce_add_sync, reduce_add, unsigned, a + b)
ADJOINT_REDUCE_SYNC(__reduce_add_sync, reduce_add, int, int(unsigned(a) + unsigned(b)))
ADJOINT_REDUCE_SYNC(__reduce_min_sync, reduce_min, unsigned, a < b ? a : b)
ADJOINT_REDUCE_SYNC(__reduce_min_sync, reduce_min, int, a < b ? a : b)
ADJOINT_REDUCE_SYNC(__reduce_max_sync, reduce_max, unsigned, a > b ? a : b)
ADJOINT_REDUCE_SYNC(__reduce_max_sync, reduce_max, int, a > b ? a : b)
ADJOINT_REDUCE_SYNC(__reduce_and_sync, reduce_and, unsigned, a& b)
ADJOINT_REDUCE_SYNC(__reduce_or_sync, reduce_or, unsigned, a | b)
ADJOINT_REDUCE_SYNC(__reduce_xor_sync, reduce_xor, unsigned, a ^ b)
#undef ADJOINT_REDUCE_SYNC

[[noreturn]] static inline void __trap(ADJOINT_WHERE) { ::adjoint::fail_kernel("__trap()", where); }
