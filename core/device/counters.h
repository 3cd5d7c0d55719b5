// What both backends count of their own calls, and which thread is capturing. Behind
// device_counters() and behind every refusal to allocate or wait during capture; only core/device
// and launches use it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct AtomicCounters {
  std::atomic<std::uint64_t> launches{0};
  std::atomic<std::uint64_t> copies{0};
  std::atomic<std::uint64_t> allocations{0};
  std::atomic<std::uint64_t> synchronizations{0};
};

/// The counters of the process. Relaxed: they order nothing.
extern AtomicCounters atomic_counters;

inline void count(std::atomic<std::uint64_t>& counter, std::uint64_t times = 1) {
  counter.fetch_add(times, std::memory_order_relaxed);
}

/// Whether the calling thread has begun a capture that it has not ended. Per thread and not per
/// process, so that a data loader may allocate and wait while the training thread captures (CUDA's
/// cudaStreamCaptureModeThreadLocal).
bool this_thread_captures();

/// To be called by the thread that begins (+1) and by the one that ends (-1) a capture: the same
/// one.
void note_capture(int change);

/// Throws Error("`what` while this thread is capturing a stream; ...") if it is.
void refuse_during_capture(std::string_view what);

// The rules of streams and captures, in one wording for both backends: each throws Error where
// broken.
void check_begin_capture(bool capturing);
void check_end_capture(bool capturing, bool same_thread);
void check_wait(bool capturing);   ///< of a stream, for an event
void check_replay(bool captured);  ///< of a CapturedWork
void check_elapsed(bool recorded, bool passed);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
