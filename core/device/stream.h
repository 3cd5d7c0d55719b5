// Streams, events and captured work: ordered queues of kernels and copies, with one meaning on both
// backends. Work put on a stream runs in order, later, while the calling thread goes on; work of
// different streams is ordered only by events. A stream can record work instead of running it
// (capture) and run the recording again and again (replay) with the arguments frozen as they were.
// Other streams join a capture by waiting for an event that was recorded in it, and leave it by an
// event that the first stream waits for.
//
// The cuda backend wraps cudaStream_t, cudaEvent_t and cudaGraphExec_t. The host backend keeps
// queues of its own (core/device/host/queue.h), so that a missing event, an argument wrongly frozen
// or a wait in the middle of a step fails without a GPU too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Event;
class CapturedWork;

class Stream {
 public:
  Stream();
  ~Stream();
  Stream(Stream&&) noexcept;
  Stream& operator=(Stream&&) noexcept;

  /// Waits until everything on the stream has run. Work that fails takes the rest of its stream
  /// with it, and streams that wait for its events: what comes after is dropped, until
  /// synchronize() rethrows the error; then the stream is as new (host; a GPU's faults end its
  /// context). An error during capture.
  void synchronize();

  /// Makes work put on this stream from now on run after the point that the event has last recorded
  /// (none: no effect). Does not block the caller. Where the event was recorded on a stream that is
  /// being captured, this one joins the capture until that ends. Throws Error on a stream that is
  /// being captured for an event from outside, also from another capture; on any stream for one of
  /// a capture that has ended, or that another thread has begun.
  void wait(const Event& event);

  /// From now on records work instead of running it. Until end_capture(), which must come from the
  /// same thread, that thread can neither allocate nor synchronize nor time, and this stream not
  /// wait for an event from outside of the capture: each is an Error, and the capture goes on.
  /// capture() below is safer.
  void begin_capture();
  /// Ends the capture on the stream that it was begun on, with all streams that joined it. Throws
  /// Error, and the recording is lost, where one of these has work that this stream has not come to
  /// wait for, if only that of having joined, or was destroyed meanwhile.
  CapturedWork end_capture();
  /// Ends the capture and forgets what it recorded; nothing if there is none, or if this stream has
  /// only joined it.
  void abandon_capture() noexcept;
  /// Whether this stream is being captured, or has joined a capture that goes on.
  bool capturing() const;

  /// Backend state: cuda's cudaStream_t, the host's queue. Only core/device and launches use it.
  void* native() const;

 private:
  friend class Event;
  struct State;
  std::unique_ptr<State> state_;
};

/// A point in a stream's order.
class Event {
 public:
  Event();
  ~Event();
  Event(Event&&) noexcept;
  Event& operator=(Event&&) noexcept;

  /// Marks the point after everything put on the stream so far. On a stream that is being captured
  /// it marks a place in the recording, for streams of the same capture to wait for: it has no
  /// time, and what asks for that throws Error until it is recorded anew.
  void record(Stream& stream);
  /// Whether the recorded point has been passed. Never blocks. True if never recorded. An error
  /// during capture.
  bool passed() const;
  /// Waits for the recorded point; nothing if never recorded. Throws the error of work that failed
  /// before it. An error during capture.
  void synchronize() const;
  void* native() const;

 private:
  friend class Stream;
  struct State;
  std::unique_ptr<State> state_;
};

/// Milliseconds of device time between two recorded and passed events (host: wall clock). Throws
/// Error if one was never recorded or has not been passed, and during capture.
float elapsed_milliseconds(const Event& begin, const Event& end);

/// A recording of a stream's work, to be replayed on any stream of the same device.
class CapturedWork {
 public:
  CapturedWork();
  ~CapturedWork();
  CapturedWork(CapturedWork&&) noexcept;
  CapturedWork& operator=(CapturedWork&&) noexcept;

  /// Puts the whole recording on the stream, as if its operations were put there anew with the
  /// arguments they had; captured copies read the memory as it is then. On a stream that is being
  /// captured the recording becomes part of the new one. Throws Error if nothing was ever captured
  /// into this object.
  void replay(Stream& stream) const;
  /// Kernels, products, copies and fills recorded, by name, in order.
  const std::vector<std::string>& operations() const;

 private:
  friend class Stream;
  struct State;
  std::unique_ptr<State> state_;
};

/// Records what `body()` puts on the stream. If it throws, the recording is dropped and the stream
/// is as before.
template <class Body>
CapturedWork capture(Stream& stream, Body&& body) {
  stream.begin_capture();
  try {
    body();
    return stream.end_capture();
  } catch (...) {
    stream.abandon_capture();
    throw;
  }
}

/// What the calling process has asked of the device so far: for tests that assert that a step waits
/// for nothing and allocates nothing. Counted on both backends by this library's own calls. Work
/// counts when it is put on a stream to run, so captured work counts at each replay and not when it
/// is recorded.
struct DeviceCounters {
  std::uint64_t launches = 0;     ///< kernels and products
  std::uint64_t copies = 0;       ///< copies and fills
  std::uint64_t allocations = 0;  ///< device and pinned allocations
  std::uint64_t synchronizations =
      0;  ///< calls that could block on the device; releasing memory is one
};
DeviceCounters device_counters();

// Copies and fills, in stream order. Host memory must stay valid, and unchanged, until the copy has
// run; `to` and `from` must not overlap.
void copy_to_device(Stream& stream, void* to, const void* from_host, std::size_t bytes);
void copy_to_host(Stream& stream, void* to_host, const void* from, std::size_t bytes);
void copy_on_device(Stream& stream, void* to, const void* from, std::size_t bytes);
void fill_bytes(Stream& stream, void* to, std::uint8_t value, std::size_t bytes);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
