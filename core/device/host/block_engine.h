// The engine of one worker: runs the threads of one block at a time, switching between their stacks
// where they wait for each other. Threads are started in order, each running until it finishes or
// waits; who waits is continued as soon as those it waits for have arrived. It is deterministic:
// nothing depends on time.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/device/host/execution.h"
#include "core/device/host/fibers.h"
#include "core/device/host/schedule.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Thrown through the frames of a kernel whose block cannot go on; the engine holds the message.
struct Aborted {};

class FiberList {
 public:
  void push(Fiber& fiber) {
    fiber.next = nullptr;
    (last_ ? last_->next : first_) = &fiber;
    last_ = &fiber;
  }
  Fiber* first() const { return first_; }
  Fiber* last() const { return last_; }
  bool empty() const { return first_ == nullptr; }
  void clear() { first_ = last_ = nullptr; }

 private:
  Fiber* first_ = nullptr;
  Fiber* last_ = nullptr;
};

/// Threads of a block that wait for each other at a barrier or reduction.
struct BlockBarrier {
  enum class Kind : std::uint8_t { sync, vote, reduce };
  unsigned arrived = 0;
  Kind kind = Kind::sync;
  SourceLocation where{};
  FiberList waiting;
  unsigned generation = 0;
  int accumulated = 0, result = 0;  ///< of votes
  CombineBlock combine = nullptr;   ///< of reductions
  const void* combine_data = nullptr;
};

/// Lanes of a warp that wait for each other: one group for each mask and operation.
struct LaneGroup {
  std::uint32_t mask = 0, arrived = 0;
  WarpOperation operation = WarpOperation::none;
  unsigned generation = 0;
  SourceLocation where{};
  FiberList waiting;
  CombineLanes combine = nullptr;
  const void* combine_data = nullptr;
};

struct Warp {
  std::uint32_t living = 0;
  std::uint32_t pending = 0;  ///< groups that some lane waits in
  WarpExchange exchange;
  LaneGroup groups[32];
};

/// What ThreadSanitizer is told barriers synchronise on: new for each block, or one block's barrier
/// would order the next block's threads after it and hide races between blocks. Two for each
/// barrier, in turn: a thread that wakes up late must not see the next phase.
struct SyncObjects {
  char barrier[2];
  char group[32][32][2];
};

class BlockEngine {
 public:
  static BlockEngine& current();

  // One worker's part of a grid.
  void begin_grid(const Grid& grid, char* tsan_start, char* tsan_end);
  void end_grid();
  /// Forgets the suspended threads after an error and returns it.
  Error take_error(const std::string& otherwise);
  void begin_block();

  /// All blocks, every thread on a fiber.
  void run_interleaved_blocks(std::uint64_t begin, std::uint64_t end);

  /// The loop over blocks for which launch.h has compiled none.
  void run_blocks(std::uint64_t begin, std::uint64_t end);
  /// Finishes the current block, one of whose threads may wait already.
  void run_interleaved_block();
  /// In a catch block: the running thread ended by an exception.
  void fail_thread();

  // What kernels call.
  void* add_shared_variable(const void* declaration, std::size_t bytes, std::size_t alignment);
  void arrive(BlockBarrier::Kind kind, SourceLocation where);
  int vote(bool predicate, BlockVote vote, SourceLocation where);
  void reduce(const void* value, void* result, std::size_t bytes, CombineBlock combine,
              const void* data, SourceLocation where);
  std::uint64_t warp_collective(std::uint32_t mask, WarpOperation operation, std::uint64_t value,
                                unsigned source_lane, CombineLanes combine, const void* data,
                                SourceLocation where);
  [[noreturn]] void fail(const std::string& message, SourceLocation where);

 private:
  BlockEngine();
  static void run_fiber();
  void start_threads();
  bool begin_thread();
  void end_thread();
  void start_block(unsigned finished);
  void suspend_first();
  void leave(unsigned linear);
  void suspend(FiberList& list);
  void wake(FiberList& list);
  Fiber* take_next();
  void complete_barrier();
  void complete_group(Warp& warp, unsigned index);
  unsigned find_group(Warp& warp, std::uint32_t mask, WarpOperation operation) const;
  void report_deadlock();
  void set_error(const std::string& message, SourceLocation where);
  void advance_start();
  void free_all_fibers();

  const Grid* grid_ = nullptr;
  ThreadOrder order_{};
  char* tsan_start_ = nullptr;  ///< released before the grid starts
  char* tsan_end_ = nullptr;    ///< acquired after it

  FiberPool fibers_;
  Fiber os_;  ///< the worker's own stack, which may carry a CUDA thread too
  Fiber* running_ = &os_;
  Fiber* free_ = nullptr;   ///< fibers without a CUDA thread
  Fiber* ready_ = nullptr;  ///< threads to continue, next first
  unsigned rotation_ = 0;

  bool started_ = false;  ///< the current block is run by this engine
  bool aborting_ = false;
  unsigned threads_ = 0, next_ = 0, living_ = 0;
  uint3 next_thread_{};
  std::vector<unsigned> start_order_;
  std::minstd_rand random_;
  std::vector<Warp> warps_;
  BlockBarrier barrier_;
  std::vector<unsigned char> reduce_values_;
  alignas(16) unsigned char reduce_result_[kMaxReducedBytes]{};
  std::string error_;
  SourceLocation error_where_{};

  struct Free {
    void operator()(void* memory) const;
  };
  template <class T>
  using Allocation = std::unique_ptr<T, Free>;
  Allocation<char> static_shared_;  ///< arena of ADJOINT_SHARED variables
  std::size_t static_shared_used_ = 0, static_shared_bytes_ = 0;
  Allocation<char> dynamic_shared_;
  Allocation<SyncObjects> sync_;
};

// Inline, like switch_fiber: jump_fcontext leaves by a jump what was entered by a call, so the
// processor mispredicts one return for each function between a kernel and the switch.
inline Fiber* BlockEngine::take_next() {
  if (Fiber* const fiber = ready_) {
    ready_ = fiber->next;
    return fiber;
  }
  if (next_ >= threads_) return nullptr;
  Fiber* const fiber = free_;
  free_ = fiber->next;
  return fiber;
}

__forceinline__ void BlockEngine::suspend(FiberList& list) {
  Fiber& self = *running_;
  self.thread = thread_state.thread;
  self.linear = thread_state.linear;
  list.push(self);
  Fiber* to = take_next();
  if (!to) {
    report_deadlock();
    if (&self == &os_) throw Aborted{};
    to = &os_;
  }
  running_ = to;
  switch_fiber(self, *to);
  running_ = &self;
  thread_state.thread = self.thread;
  thread_state.linear = self.linear;
  if (aborting_) [[unlikely]]
    throw Aborted{};  // only the worker's own stack is continued then
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
