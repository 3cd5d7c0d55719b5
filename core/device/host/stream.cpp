// Stream, Event, CapturedWork and copies of the host backend: the public face of queue.h.
#include "core/device/stream.h"

#include <cstring>
#include <utility>

#include "core/base/error.h"
#include "core/device/counters.h"
#include "core/device/host/queue.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Stream::State {
  StreamQueue queue;
};

struct Event::State {
  std::shared_ptr<HostEventPoint> point;
};

struct CapturedWork::State {
  explicit State(HostRecording made)
      : recording(std::make_shared<const HostRecording>(std::move(made))) {
    for (const HostRecordedEntry& entry : recording->entries)
      if (entry.is_work()) names.push_back(entry.operation.name);
    for (int stream = 1; stream < recording->streams; ++stream)
      others.push_back(std::make_unique<StreamQueue>());
  }

  std::shared_ptr<const HostRecording> recording;
  std::vector<std::string> names;
  /// For what was recorded on other streams, at each replay. Last: they run what is pending first.
  std::vector<std::unique_ptr<StreamQueue>> others;
};

Stream::Stream() : state_(std::make_unique<State>()) {}
Stream::~Stream() = default;
Stream::Stream(Stream&&) noexcept = default;
Stream& Stream::operator=(Stream&&) noexcept = default;

void Stream::synchronize() { state_->queue.synchronize(); }

void Stream::wait(const Event& event) { state_->queue.wait(event.state_->point); }

void Stream::begin_capture() { state_->queue.begin_capture(); }

CapturedWork Stream::end_capture() {
  CapturedWork work;
  work.state_ = std::make_unique<CapturedWork::State>(state_->queue.end_capture());
  return work;
}

void Stream::abandon_capture() noexcept {
  if (state_->queue.capturing()) state_->queue.abandon_capture();
}

bool Stream::capturing() const { return state_->queue.capturing(); }

void* Stream::native() const { return &state_->queue; }

Event::Event() : state_(std::make_unique<State>()) {}
Event::~Event() = default;
Event::Event(Event&&) noexcept = default;
Event& Event::operator=(Event&&) noexcept = default;

void Event::record(Stream& stream) { stream.state_->queue.record(state_->point); }

bool Event::passed() const {
  refuse_during_capture("Event: cannot ask whether it has been passed");
  return point_passed(state_->point);
}

void Event::synchronize() const {
  refuse_during_capture("Event: cannot synchronize");
  count(atomic_counters.synchronizations);
  wait_for_point(state_->point);
}

void* Event::native() const { return state_->point.get(); }

float elapsed_milliseconds(const Event& begin, const Event& end) {
  refuse_during_capture("elapsed_milliseconds: cannot time");
  return milliseconds_between(static_cast<const HostEventPoint*>(begin.native()),
                              static_cast<const HostEventPoint*>(end.native()));
}

CapturedWork::CapturedWork() = default;
CapturedWork::~CapturedWork() = default;
CapturedWork::CapturedWork(CapturedWork&&) noexcept = default;
CapturedWork& CapturedWork::operator=(CapturedWork&&) noexcept = default;

void CapturedWork::replay(Stream& stream) const {
  check_replay(state_ != nullptr);
  static_cast<StreamQueue*>(stream.native())->replay(state_->recording, state_->others);
}

const std::vector<std::string>& CapturedWork::operations() const {
  static const std::vector<std::string> none;
  return state_ ? state_->names : none;
}

namespace {

void put_copy(Stream& stream, std::string_view name, void* to, const void* from,
              std::size_t bytes) {
  if (bytes == 0) return;
  enqueue(stream, WorkKind::copy, name, [=] { std::memcpy(to, from, bytes); });
}

}  // namespace

void copy_to_device(Stream& stream, void* to, const void* from_host, std::size_t bytes) {
  put_copy(stream, "copy_to_device", to, from_host, bytes);
}

void copy_to_host(Stream& stream, void* to_host, const void* from, std::size_t bytes) {
  put_copy(stream, "copy_to_host", to_host, from, bytes);
}

void copy_on_device(Stream& stream, void* to, const void* from, std::size_t bytes) {
  put_copy(stream, "copy_on_device", to, from, bytes);
}

void fill_bytes(Stream& stream, void* to, std::uint8_t value, std::size_t bytes) {
  if (bytes == 0) return;
  enqueue(stream, WorkKind::copy, "fill_bytes", [=] { std::memset(to, value, bytes); });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
