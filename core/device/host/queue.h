// The host's streams: queues of callables. Kernel launches, matrix products, copies and fills all
// come through enqueue(), or launch_grid() of launch.h; what becomes of them depends on the mode
// and on whether the stream is being captured.
//
//   eager      the work runs in enqueue(), on the calling thread: a legal order, and the fastest.
//   Nothing is
//              ever pending. Programs run so.
//   deferred   the work is queued; whoever waits for a stream or an event, or asks for one, runs
//   pending work
//              of all streams in an order drawn from a seed among the legal ones. So a missing
//              event, or host memory freed or changed before its copy ran, shows without a GPU.
//              Checking builds run so.
//   capture    the work is recorded, not run; of all streams that have joined it, in one list. A
//   replay puts
//              it on the stream and on queues that stand for the others, with the events between
//              them.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/device/capture.h"
#include "core/device/counters.h"
#include "core/device/host/device_access.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Kernels and products are launches; copies and fills are copies.
enum class WorkKind : std::uint8_t { launch, copy };

/// How host streams run their work. At start it is what the environment variable
/// ADJOINT_HOST_STREAMS says
/// ("eager", "deferred" or "deferred:SEED"), else eager, or deferred in checking builds.
struct HostStreamMode {
  bool deferred = false;
  std::uint64_t seed = 0;
};
HostStreamMode host_stream_mode();
/// Runs all pending work first. Not while another thread uses a stream.
void set_host_stream_mode(const HostStreamMode& mode);

/// One recorded or pending piece of work.
struct HostOperation {
  WorkKind kind = WorkKind::launch;
  std::string name;
  std::function<void()> run;
};

/// One entry of a recording: work on one of its streams, or a point of an event that one passes or
/// waits for. Streams and points go by their numbers in the recording.
struct HostRecordedEntry {
  int stream = 0;
  HostOperation operation = {};  ///< unless one of these is not -1
  int passes = -1;
  int waits_for = -1;

  bool is_work() const { return passes < 0 && waits_for < 0; }
};

/// Shared by the CapturedWork and by its pending replays.
struct HostRecording {
  std::vector<HostRecordedEntry> entries;  ///< in the order they were put
  int streams = 1;
  int points = 0;
};

/// A capture that goes on.
struct HostCapture : Capture {
  HostRecording recording;
};

/// One recording of an event: the place in a stream where it was made, shared by the event and by
/// the streams that wait for it.
struct HostEventPoint {
  std::shared_ptr<HostCapture> capture = {};  ///< of which it marks a place, and no time
  Capture::Clock clock = {};
  int place = -1;  ///< its number in the recording
  bool passed = false;
  std::exception_ptr error;  ///< of the stream that passed it; those who wait for it fail alike
  std::chrono::steady_clock::time_point time;
};

/// What Stream::native() points to. All members but the inline ones lock the scheduler of
/// queue.cpp.
class StreamQueue {
 public:
  StreamQueue();
  ~StreamQueue();  ///< runs what is pending; its errors are lost
  StreamQueue(const StreamQueue&) = delete;
  StreamQueue& operator=(const StreamQueue&) = delete;

  /// Eager, not capturing, not failed: the common case, tested without a lock.
  bool runs_at_once() const { return runs_at_once_.load(std::memory_order_relaxed); }
  void put(WorkKind kind, std::string_view name, std::function<void()> run);
  void fail(std::exception_ptr error) noexcept;
  /// What enqueue() does where runs_at_once(). Inline, so that the work is.
  template <class Work>
  void run_at_once(const Work& work) noexcept {
    try {
      const DeviceAccess access;
      work();
    } catch (...) {
      fail(std::current_exception());
    }
  }

  void synchronize();
  void record(std::shared_ptr<HostEventPoint>& point);
  void wait(std::shared_ptr<HostEventPoint> point);

  void begin_capture();
  HostRecording end_capture();
  void abandon_capture();  ///< nothing on a stream that has only joined
  bool capturing() const { return capture_ && !capture_->ended(); }
  /// `others` stand for the recording's other streams, from its second on.
  void replay(const std::shared_ptr<const HostRecording>& recording,
              const std::vector<std::unique_ptr<StreamQueue>>& others);

 private:
  friend class HostScheduler;

  /// Exactly one of them is set.
  struct Entry {
    std::shared_ptr<const HostOperation> operation{};
    std::shared_ptr<HostEventPoint> passes{};
    std::shared_ptr<HostEventPoint> waits_for{};
    bool forgets = false;  ///< an error of earlier work
  };

  void leave_ended_capture();
  void join(const HostEventPoint& point);
  void close_capture();
  void replay_into_capture(const HostRecording& recording);

  std::atomic<bool> runs_at_once_{true};
  bool running_ = false;  ///< some thread runs the operation that was at the front
  std::deque<Entry> pending_;
  std::exception_ptr error_;
  std::shared_ptr<HostCapture> capture_;  ///< which this stream is part of, or was
  int number_ = 0;                        ///< of the stream in it
};

/// Waits for everything that has been put on any stream so far, errors kept in their streams: what
/// releasing memory does, as cudaFree does.
void wait_for_all_streams() noexcept;

/// Blocking and non-blocking tests of a point; null points were never recorded and count as passed.
void wait_for_point(const std::shared_ptr<HostEventPoint>& point);
bool point_passed(const std::shared_ptr<HostEventPoint>& point);
float milliseconds_between(const HostEventPoint* begin, const HostEventPoint* end);

/// Puts work on the stream. `work` is a copyable callable that holds its arguments by value; `name`
/// is what CapturedWork::operations() shows. An exception that it throws fails the stream: later
/// work is dropped until synchronize() rethrows it. Costs an atomic increment or two where the work
/// runs at once, and allocates nothing then.
template <class Work>
void enqueue(Stream& stream, WorkKind kind, std::string_view name, Work&& work) {
  auto& queue = *static_cast<StreamQueue*>(stream.native());
  if (!queue.runs_at_once()) {
    queue.put(kind, name, std::function<void()>(std::forward<Work>(work)));
    return;
  }
  count(kind == WorkKind::launch ? atomic_counters.launches : atomic_counters.copies);
  queue.run_at_once(work);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
