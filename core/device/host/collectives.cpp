// Barriers, votes and warp exchanges of the engine.
#include "core/device/host/collectives.h"

#include <cstdio>
#include <cstring>

#include "core/device/host/block_engine.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::string shown(SourceLocation where) { return str(where.file, ":", where.line); }

bool same_place(SourceLocation a, SourceLocation b) {
  return a.line == b.line && (a.file == b.file || std::strcmp(a.file, b.file) == 0);
}

std::string hex(std::uint32_t lanes) {
  char text[16];
  std::snprintf(text, sizeof text, "0x%08x", lanes);
  return text;
}

const char* name(WarpOperation operation) {
  switch (operation) {
    case WarpOperation::sync:
      return "__syncwarp";
    case WarpOperation::shuffle:
      return "a shuffle";
    case WarpOperation::ballot:
      return "a vote";
    case WarpOperation::match:
      return "__match_any_sync";
    case WarpOperation::tree:
      return "warp_reduce";
    case WarpOperation::none:
      return "nothing";
    default:
      return "__reduce_*_sync";
  }
}

}  // namespace

// ---- The block.

void BlockEngine::complete_barrier() {
  if (barrier_.kind == BlockBarrier::Kind::reduce) {
    TsanIgnore ignore;
    barrier_.combine(reduce_values_.data(), threads_, reduce_result_, barrier_.combine_data);
  }
  barrier_.result = barrier_.accumulated;
  barrier_.arrived = 0;
  ++barrier_.generation;
  wake(barrier_.waiting);
}

__forceinline__ void BlockEngine::arrive(BlockBarrier::Kind kind, SourceLocation where) {
  if (!started_) [[unlikely]]
    suspend_first();
  if (barrier_.arrived == 0) {
    barrier_.kind = kind;
    barrier_.where = where;
  } else if (!same_place(barrier_.where, where) || barrier_.kind != kind) [[unlikely]] {
    fail(str("divergent barrier: ", barrier_.arrived, " of ", living_,
             " living threads of the block wait at ", shown(barrier_.where),
             ", another arrives at ", shown(where)),
         where);
  }
  char* const sync = ADJOINT_TSAN ? &sync_->barrier[barrier_.generation & 1] : nullptr;
  tsan_release(sync);
  if (++barrier_.arrived == living_)
    complete_barrier();
  else
    suspend(barrier_.waiting);
  tsan_acquire(sync);
}

__forceinline__ int BlockEngine::vote(bool predicate, BlockVote vote, SourceLocation where) {
  if (!started_) [[unlikely]]
    suspend_first();
  int& accumulated = barrier_.accumulated;
  if (barrier_.arrived == 0) accumulated = vote == BlockVote::all;
  switch (vote) {
    case BlockVote::count:
      accumulated += predicate;
      break;
    case BlockVote::all:
      accumulated = accumulated && predicate;
      break;
    case BlockVote::any:
      accumulated = accumulated || predicate;
      break;
  }
  arrive(BlockBarrier::Kind::vote, where);
  return barrier_.result;
}

__forceinline__ void BlockEngine::reduce(const void* value, void* result, std::size_t bytes,
                                         CombineBlock combine, const void* data,
                                         SourceLocation where) {
  if (!started_) [[unlikely]]
    suspend_first();
  if (living_ != threads_)
    fail(str("a block reduction needs all ", threads_, " threads of the block, but ",
             threads_ - living_, " have returned"),
         where);
  {
    TsanIgnore ignore;
    if (reduce_values_.empty()) reduce_values_.resize(kMaxBlockThreads * kMaxReducedBytes);
    std::memcpy(reduce_values_.data() + thread_state.linear * bytes, value, bytes);
  }
  barrier_.combine = combine;
  barrier_.combine_data = data;
  arrive(BlockBarrier::Kind::reduce, where);
  TsanIgnore ignore;
  std::memcpy(result, reduce_result_, bytes);
}

void block_barrier(SourceLocation where) {
  if (thread_state.block_threads == 1) return;
  thread_state.engine->arrive(BlockBarrier::Kind::sync, where);
}

int block_vote(bool predicate, BlockVote vote, SourceLocation where) {
  if (thread_state.block_threads == 1) return predicate;
  return thread_state.engine->vote(predicate, vote, where);
}

void block_collective(const void* value, void* result, std::size_t bytes, CombineBlock combine,
                      const void* data, SourceLocation where) {
  thread_state.engine->reduce(value, result, bytes, combine, data, where);
}

// ---- Warps. Every lane deposits its value, the last one computes all results: groups of disjoint
// masks touch disjoint lanes only.

void combine_shuffle(WarpExchange& e, const void*) {
  if (e.lanes == 0xffffffffu) {
    for (int lane = 0; lane < 32; ++lane) e.results[lane] = e.values[e.sources[lane]];
    return;
  }
  for (std::uint32_t rest = e.lanes; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    // From a lane that has exited the result is undefined: all ones is NaN in every floating type.
    e.results[lane] =
        e.lanes >> e.sources[lane] & 1 ? e.values[e.sources[lane]] : ~std::uint64_t{0};
  }
}

void combine_ballot(WarpExchange& e, const void*) {
  std::uint32_t ballot = 0;
  for (std::uint32_t rest = e.lanes; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    ballot |= std::uint32_t(e.values[lane]) << lane;
  }
  e.broadcast(ballot);
}

void combine_match(WarpExchange& e, const void*) {
  for (std::uint32_t rest = e.lanes; rest; rest &= rest - 1) {
    const int lane = std::countr_zero(rest);
    std::uint32_t equal = 0;
    for (std::uint32_t others = e.lanes; others; others &= others - 1) {
      const int other = std::countr_zero(others);
      equal |= std::uint32_t(e.values[other] == e.values[lane]) << other;
    }
    e.results[lane] = equal;
  }
}

void BlockEngine::complete_group(Warp& warp, unsigned index) {
  LaneGroup& group = warp.groups[index];
  if (group.combine) {
    TsanIgnore ignore;
    warp.exchange.lanes = group.arrived;
    group.combine(warp.exchange, group.combine_data);
  }
  group.arrived = 0;
  ++group.generation;
  warp.pending &= ~(1u << index);
  wake(group.waiting);
}

// The group some lane already waits in, or an unused one. Its lowest lane would not do as a name:
// lanes that are ahead may wait for a wider mask while those behind exchange in a narrower one.
unsigned BlockEngine::find_group(Warp& warp, std::uint32_t mask, WarpOperation operation) const {
  for (std::uint32_t rest = warp.pending; rest; rest &= rest - 1) {
    const unsigned index = unsigned(std::countr_zero(rest));
    if (warp.groups[index].mask == mask && warp.groups[index].operation == operation) return index;
  }
  return unsigned(std::countr_one(warp.pending));
}

__forceinline__ std::uint64_t BlockEngine::warp_collective(
    std::uint32_t mask, WarpOperation operation, std::uint64_t value, unsigned source_lane,
    CombineLanes combine, const void* data, SourceLocation where) {
  if (!started_) [[unlikely]]
    suspend_first();
  const unsigned linear = thread_state.linear, lane = linear & 31;
  Warp& warp = warps_[linear >> 5];
  if (!(mask >> lane & 1)) [[unlikely]]
    fail(str(name(operation), ": the calling lane ", lane, " is not in its own mask ", hex(mask)),
         where);
  if (operation == WarpOperation::shuffle && !(mask >> source_lane & 1)) [[unlikely]]
    fail(str("a shuffle: the source lane ", source_lane, " of lane ", lane, " is not in the mask ",
             hex(mask)),
         where);
  const unsigned index = find_group(warp, mask, operation);
  LaneGroup& group = warp.groups[index];
  if (group.arrived == 0) {
    group.mask = mask;
    group.operation = operation;
    group.where = where;
    group.combine = combine;
    group.combine_data = data;
  }
  warp.exchange.values[lane] = value;
  warp.exchange.sources[lane] = std::uint8_t(source_lane);
  group.arrived |= 1u << lane;
  char* const sync =
      ADJOINT_TSAN ? &sync_->group[linear >> 5][index][group.generation & 1] : nullptr;
  tsan_release(sync);
  if (group.arrived == (mask & warp.living)) {
    if (operation == WarpOperation::tree && group.arrived != 0xffffffffu)
      fail(str("warp_reduce: expected 32 lanes, but only ", hex(group.arrived), " are there"),
           where);
    complete_group(warp, index);
  } else {
    warp.pending |= 1u << index;
    suspend(group.waiting);
  }
  tsan_acquire(sync);
  return warp.exchange.results[lane];
}

std::uint64_t warp_collective(std::uint32_t mask, WarpOperation operation, std::uint64_t value,
                              unsigned source_lane, CombineLanes combine, const void* data,
                              SourceLocation where) {
  return thread_state.engine->warp_collective(mask, operation, value, source_lane, combine, data,
                                              where);
}

void fail_kernel(const std::string& message, SourceLocation where) {
  thread_state.engine->fail(message, where);
}

void BlockEngine::report_deadlock() {
  TsanIgnore ignore;
  std::string message = "deadlock, no thread of the block can go on:";
  SourceLocation where{};
  if (barrier_.arrived > 0) {
    where = barrier_.where;
    message += str(" ", barrier_.arrived, " of ", living_,
                   " living threads wait at the block's barrier at ", shown(where), ";");
  }
  for (unsigned w = 0; w < (threads_ + 31) / 32; ++w)
    for (const LaneGroup& group : warps_[w].groups) {
      if (group.arrived == 0) continue;
      where = group.where;
      message += str(" warp ", w, ": lanes ", hex(group.arrived), " wait in ",
                     name(group.operation), " at ", shown(where), " for lanes ",
                     hex(group.mask & warps_[w].living & ~group.arrived), ";");
    }
  message.pop_back();
  set_error(std::move(message), where);
  aborting_ = true;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
