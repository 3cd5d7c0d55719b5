// Counters of the process and the capture mark of each thread: see counters.h.
#include "core/device/counters.h"

#include "core/base/error.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
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

void check_begin_capture(bool capturing) {
  ADJOINT_CHECK(
      !capturing,
      "Stream: begin_capture() on a stream that is already being captured; end that capture first");
}

void check_end_capture(bool capturing, bool same_thread) {
  ADJOINT_CHECK(capturing, "Stream: end_capture() without begin_capture()");
  ADJOINT_CHECK(same_thread, "Stream: end_capture() on another thread than begin_capture()");
}

void check_wait(bool capturing) {
  ADJOINT_CHECK(!capturing,
                "Stream: cannot wait, while being captured, for an event recorded outside of the "
                "capture; wait before begin_capture() or before the replay");
}

void check_replay(bool captured) {
  ADJOINT_CHECK(captured,
                "CapturedWork: nothing to replay; it is what Stream::end_capture() returns");
}

void check_elapsed(bool recorded, bool passed) {
  ADJOINT_CHECK(recorded,
                "elapsed_milliseconds: an event was never recorded; record both on a stream first");
  ADJOINT_CHECK(passed,
                "elapsed_milliseconds: an event has not been passed yet; synchronize it first");
}

DeviceCounters device_counters() {
  return {.launches = atomic_counters.launches.load(std::memory_order_relaxed),
          .copies = atomic_counters.copies.load(std::memory_order_relaxed),
          .allocations = atomic_counters.allocations.load(std::memory_order_relaxed),
          .synchronizations = atomic_counters.synchronizations.load(std::memory_order_relaxed)};
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
