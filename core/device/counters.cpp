// Counters of the process and the capture mark of each thread: see counters.h.
#include "core/device/counters.h"

#include "core/base/error.h"
#include "core/device/stream.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

thread_local int captures_of_this_thread = 0;

}  // namespace

AtomicCounters atomic_counters;

bool this_thread_captures() { return captures_of_this_thread > 0; }

void note_capture(int change) { captures_of_this_thread += change; }

void refuse_during_capture(std::string_view what) {
  ADJOINT_CHECK(
      !this_thread_captures(), what,
      " while this thread is capturing a stream: a recording would not repeat it; do it before "
      "begin_capture() or after end_capture()");
}

DeviceCounters device_counters() {
  return {.launches = atomic_counters.launches.load(std::memory_order_relaxed),
          .copies = atomic_counters.copies.load(std::memory_order_relaxed),
          .allocations = atomic_counters.allocations.load(std::memory_order_relaxed),
          .synchronizations = atomic_counters.synchronizations.load(std::memory_order_relaxed)};
}

}  // namespace adjoint::inline ADJOINT_BACKEND
