#include "core/device/host/block_engine.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <numeric>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

constinit thread_local ThreadState thread_state;

BlockEngine::BlockEngine() : fibers_(&run_fiber) {}

BlockEngine& BlockEngine::current() {
  static thread_local std::unique_ptr<BlockEngine> engine;
  if (!thread_state.engine) [[unlikely]] {
    engine.reset(new BlockEngine);
    thread_state.engine = engine.get();
  }
  return *thread_state.engine;
}

void BlockEngine::begin_grid(const Grid& grid, char* tsan_start, char* tsan_end) {
  grid_ = &grid;
  order_ = thread_order();
  tsan_start_ = tsan_start;
  tsan_end_ = tsan_end;
  thread_state.grid_extent = grid.grid;
  thread_state.block_extent = grid.block;
  thread_state.block_threads = grid.block.x * grid.block.y * grid.block.z;
  thread_state.interleaved = order_.kind != ThreadOrder::Kind::natural;
  thread_state.shared_variables = 0;
  adopt_thread(os_);
}

// ---- Starting and ending blocks and threads.

// Sets up the block when its first thread waits; `finished` threads, in natural order, ran to their
// end already.
void BlockEngine::start_block(unsigned finished) {
  threads_ = thread_state.block_threads;
  const unsigned fibers = ADJOINT_TSAN ? 2 * threads_ + 32 : threads_ <= 256 ? 256 : 1024;
  if (fibers_.size() < fibers) {
    fibers_.reserve(fibers);
    free_all_fibers();
  }
  const unsigned warps = (threads_ + 31) / 32;
  if (warps_.size() < warps) warps_.resize(warps);
  const auto lanes_below = [](unsigned count) {
    return count >= 32 ? 0xffffffffu : (1u << count) - 1u;
  };
  for (unsigned w = 0; w < warps; ++w) {
    const unsigned first = w * 32;
    const std::uint32_t ended = finished <= first ? 0 : lanes_below(finished - first);
    warps_[w].living = lanes_below(threads_ - first) & ~ended;
  }
  next_ = finished;
  living_ = threads_ - finished;
  started_ = true;
  thread_state.interleaved = true;
#if ADJOINT_TSAN
  // A CUDA thread keeps one fiber, which ThreadSanitizer takes for one thread: on another's stack
  // its frames would look like races. Successive blocks of one worker share no fibers, or what a
  // fiber did in one block would be ordered before what it does in the next, and races between the
  // two would stay hidden.
  free_ = nullptr;
  for (unsigned i = threads_; i-- > 0;) {
    Fiber& fiber = fibers_[(rotation_ + i) % fibers_.size()];
    fiber.started = false;
    fiber.next = free_;
    free_ = &fiber;
  }
  rotation_ = (rotation_ + threads_) % fibers_.size();
#endif
}

void BlockEngine::free_all_fibers() {
  free_ = nullptr;
  for (unsigned i = fibers_.size(); i-- > 0;) {
    fibers_[i].next = free_;
    free_ = &fibers_[i];
  }
}

void BlockEngine::advance_start() {
  const dim3 extent = thread_state.block_extent;
  if (++next_thread_.x < extent.x) return;
  next_thread_.x = 0;
  if (++next_thread_.y < extent.y) return;
  next_thread_.y = 0;
  ++next_thread_.z;
}

// The first thread of the block to wait has run in a loop over blocks, on the worker's own stack.
__attribute__((noinline)) void BlockEngine::suspend_first() {
  const unsigned linear = linear_thread();
  thread_state.linear = linear;
  start_block(linear);
  next_ = linear + 1;
  next_thread_ = thread_state.thread;
  advance_start();
}

void BlockEngine::run_interleaved_block() {
  if (started_) {
    leave(thread_state.linear);  // the thread that waited first has returned from the kernel
  } else {
    start_block(0);
    next_thread_ = {0, 0, 0};
    if (order_.kind == ThreadOrder::Kind::random) {
      const uint3 b = thread_state.block;
      random_.seed(order_.seed * 2654435761u + (b.z * 65536u + b.y) * 40503u + b.x + 1u);
      start_order_.resize(threads_);
      std::iota(start_order_.begin(), start_order_.end(), 0u);
      std::shuffle(start_order_.begin(), start_order_.end(), random_);
    }
  }
  start_threads();
  while (living_ > 0 && !aborting_) {
    Fiber* const to = take_next();
    if (!to) {
      report_deadlock();
      break;
    }
    running_ = to;
    switch_fiber(os_, *to);
    running_ = &os_;
  }
  if (aborting_) throw Aborted{};
  started_ = false;
  thread_state.interleaved = order_.kind != ThreadOrder::Kind::natural;
}

void BlockEngine::run_blocks(std::uint64_t begin, std::uint64_t end) {
  ThreadState& state = thread_state;
  const dim3 grid = grid_->grid;
  for (std::uint64_t b = begin; b < end; ++b) {
    state.block = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y),
                   unsigned(b / grid.x / grid.y)};
    state.shared_variables = 0;
#if defined(ADJOINT_CHECKED)
    begin_block();
#endif
    next_thread_ = {0, 0, 0};
    for (unsigned t = 0; t < state.block_threads && !state.interleaved; ++t) {
      state.thread = next_thread_;
      advance_start();
      grid_->run_thread(grid_->arguments);
    }
    if (state.interleaved) run_interleaved_block();
  }
}

void BlockEngine::run_interleaved_blocks(std::uint64_t begin, std::uint64_t end) {
  const dim3 grid = grid_->grid;
  for (std::uint64_t b = begin; b < end; ++b) {
    thread_state.block = {unsigned(b % grid.x), unsigned(b / grid.x % grid.y),
                          unsigned(b / grid.x / grid.y)};
    thread_state.shared_variables = 0;
    begin_block();
    run_interleaved_block();
  }
}

void BlockEngine::run_fiber() {
  BlockEngine& engine = *thread_state.engine;
  for (;;) {
    engine.start_threads();
    Fiber& self = *engine.running_;  // nothing is left to start: park
    if (!ADJOINT_TSAN) {
      self.next = engine.free_;
      engine.free_ = &self;
    }
    Fiber* to = engine.aborting_ ? nullptr : engine.take_next();
    if (!to && engine.living_ > 0 && !engine.aborting_) engine.report_deadlock();
    if (!to) to = &engine.os_;
    engine.running_ = to;
    switch_fiber(self, *to);
    engine.running_ = &self;
  }
}

// Runs threads of the block on this stack until none is left to start.
void BlockEngine::start_threads() {
  while (begin_thread()) {
    try {
      grid_->run_thread(grid_->arguments);
      end_thread();
    } catch (...) {
      fail_thread();
    }
  }
}

bool BlockEngine::begin_thread() {
  if (next_ >= threads_ || aborting_) return false;
  if (ADJOINT_TSAN) {
    if (running_ == &os_ || running_->started) return false;
    running_->started = true;
  }
  unsigned linear = next_++;
  if (order_.kind != ThreadOrder::Kind::natural) [[unlikely]] {
    linear =
        order_.kind == ThreadOrder::Kind::reverse ? threads_ - 1 - linear : start_order_[linear];
    const dim3 extent = thread_state.block_extent;
    next_thread_ = {linear % extent.x, linear / extent.x % extent.y, linear / extent.x / extent.y};
  }
  thread_state.thread = next_thread_;
  thread_state.linear = linear;
  advance_start();
  tsan_acquire(tsan_start_);
  return true;
}

void BlockEngine::end_thread() {
  tsan_release(tsan_end_);
  leave(thread_state.linear);
}

// An exited thread is no longer waited for, as on GPUs since sm_70.
void BlockEngine::leave(unsigned linear) {
  Warp& warp = warps_[linear >> 5];
  warp.living &= ~(1u << (linear & 31));
  --living_;
  if (barrier_.arrived > 0 && barrier_.arrived == living_) [[unlikely]]
    complete_barrier();
  for (std::uint32_t rest = warp.pending; rest; rest &= rest - 1) {
    const unsigned index = unsigned(std::countr_zero(rest));
    const LaneGroup& group = warp.groups[index];
    if (group.arrived == (group.mask & warp.living)) complete_group(warp, index);
  }
}

// ---- Waiting.

// To the front of the ready list: what a warp has just used stays in the cache.
void BlockEngine::wake(FiberList& list) {
  if (list.empty()) return;
  if (order_.kind == ThreadOrder::Kind::random) [[unlikely]] {
    std::vector<Fiber*> fibers;
    for (Fiber* fiber = list.first(); fiber; fiber = fiber->next) fibers.push_back(fiber);
    std::shuffle(fibers.begin(), fibers.end(), random_);
    list.clear();
    for (Fiber* fiber : fibers) list.push(*fiber);
  }
  list.last()->next = ready_;
  ready_ = list.first();
  list.clear();
}

// ---- Errors.

void BlockEngine::set_error(const std::string& message, SourceLocation where) {
  if (!error_.empty()) return;
  const uint3 b = thread_state.block, t = thread_state.thread;
  error_ = str(message, ", in block (", b.x, ", ", b.y, ", ", b.z, "), thread (", t.x, ", ", t.y,
               ", ", t.z, ")");
  error_where_ = where;
}

void BlockEngine::fail(const std::string& message, SourceLocation where) {
  {
    TsanIgnore ignore;
    set_error(message, where);
  }
  aborting_ = true;
  throw Aborted{};  // unwinds this thread; the suspended ones are abandoned
}

void BlockEngine::fail_thread() {
  aborting_ = true;
  TsanIgnore ignore;
  try {
    throw;
  } catch (const Aborted&) {
  } catch (const Error& error) {
    set_error(error.message(), error.where());
  } catch (const std::exception& error) {
    set_error(str("exception in the kernel: ", error.what()), {});
  } catch (...) {
    set_error("unknown exception in the kernel", {});
  }
}

Error BlockEngine::take_error(const std::string& otherwise) {
  Error error(str("kernel ", grid_->name, ": ", error_.empty() ? otherwise : error_), error_where_);
  error_.clear();
  error_where_ = {};
#if ADJOINT_TSAN
  // What the abandoned threads did happened before the launch ended, too.
  for (unsigned i = 0; i < fibers_.size(); ++i) {
    __tsan_switch_to_fiber(fibers_[i].tsan_fiber, 1);
    tsan_release(tsan_end_);
  }
  __tsan_switch_to_fiber(os_.tsan_fiber, 1);
#endif
  fibers_.reset();
  free_all_fibers();
  for (Warp& warp : warps_) {
    warp.pending = 0;
    for (LaneGroup& group : warp.groups) group = {};
  }
  barrier_ = {};
  ready_ = nullptr;
  running_ = &os_;
  started_ = aborting_ = false;
  return error;
}

// ---- What launch.h calls.

void run_interleaved_block() { thread_state.engine->run_interleaved_block(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
