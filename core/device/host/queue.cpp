// The scheduler of the host's streams: one lock over all queues, and a seeded choice among the
// streams whose next entry may run. It runs work without the lock, so that streams of different
// threads overlap.
#include "core/device/host/queue.h"

#include <algorithm>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <mutex>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

#ifdef ADJOINT_CHECKED
constexpr bool kDeferredByDefault = true;
#else
constexpr bool kDeferredByDefault = false;
#endif

/// Work that waits for its own stream would wait for ever; release of memory inside work must not
/// wait.
thread_local bool inside_work = false;

HostStreamMode mode_of_environment() {
  const char* variable = std::getenv("ADJOINT_HOST_STREAMS");
  if (variable == nullptr || *variable == '\0') return {.deferred = kDeferredByDefault};
  const std::string_view text = variable;
  if (text == "eager") return {.deferred = false};
  constexpr std::string_view kDeferred = "deferred";
  if (text == kDeferred) return {.deferred = true};
  if (text.starts_with("deferred:")) {
    HostStreamMode mode{.deferred = true};
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + kDeferred.size() + 1, end, mode.seed);
    if (error == std::errc() && stop == end) return mode;
  }
  ADJOINT_FAIL(
      "ADJOINT_HOST_STREAMS: expected eager, deferred or deferred:SEED (a whole number), got '",
      text, "'");
}

}  // namespace

class HostScheduler {
 public:
  using Lock = std::unique_lock<std::mutex>;
  using Entry = StreamQueue::Entry;

  /// Never destroyed: streams of static objects may outlive it otherwise.
  static HostScheduler& get() {
    static auto* const scheduler = new HostScheduler(mode_of_environment());
    return *scheduler;
  }

  Lock lock() { return Lock(mutex_); }
  const HostStreamMode& mode() const { return mode_; }

  void set_mode(const HostStreamMode& mode) {
    Lock lock = this->lock();
    run_until(lock, [this] { return idle(); });
    mode_ = mode;
    random_ = mode.seed;
    for (StreamQueue* queue : queues_) update(*queue);
  }

  void add(StreamQueue& queue) {
    Lock lock = this->lock();
    queues_.push_back(&queue);
    update(queue);
  }

  void remove(StreamQueue& queue) {
    Lock lock = this->lock();
    run_until(lock, [&] { return idle(queue); });
    std::erase(queues_, &queue);
  }

  /// Sets the flag of the fast path from the state it stands for.
  void update(StreamQueue& queue) {
    queue.runs_at_once_.store(!mode_.deferred && !queue.capturing() && !queue.error_,
                              std::memory_order_relaxed);
  }

  bool idle(const StreamQueue& queue) const { return queue.pending_.empty() && !queue.running_; }
  bool idle() const {
    return std::all_of(queues_.begin(), queues_.end(),
                       [this](auto* queue) { return idle(*queue); });
  }

  void put(StreamQueue& queue, Entry entry) {
    Lock lock = this->lock();
    put(lock, queue, std::move(entry));
  }

  void put(Lock& lock, StreamQueue& queue, Entry entry) {
    // Nothing may stay pending on eager streams: failed ones drop work here, others pass events.
    if (!mode_.deferred && idle(queue)) return run_entry(lock, queue, std::move(entry));
    queue.pending_.push_back(std::move(entry));
  }

  /// Runs pending work, or waits for threads that do, until `done()`.
  template <class Done>
  void run_until(Lock& lock, Done done) {
    while (!done()) {
      ADJOINT_CHECK(!inside_work,
                    "Stream: work on a stream must not wait for a stream or an event");
      if (!run_one(lock)) changed_.wait(lock);
    }
  }

  /// Runs one entry of a stream drawn among those whose next entry may run; false if there is none.
  bool run_one(Lock& lock) {
    ready_.clear();
    for (StreamQueue* queue : queues_) {
      if (ready(*queue)) ready_.push_back(queue);
    }
    if (ready_.empty()) return false;
    run_front(lock, *ready_[next_random() % ready_.size()]);
    return true;
  }

 private:
  explicit HostScheduler(const HostStreamMode& mode) : mode_(mode), random_(mode.seed) {}

  static bool ready(const StreamQueue& queue) {
    if (queue.running_ || queue.pending_.empty()) return false;
    const Entry& front = queue.pending_.front();
    return !front.waits_for || front.waits_for->passed;
  }

  /// splitmix64 (Steele, Lea and Flood 2014): small, seedable by any number, good enough to choose
  /// streams.
  std::uint64_t next_random() {
    std::uint64_t z = random_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  void run_front(Lock& lock, StreamQueue& queue) {
    Entry entry = std::move(queue.pending_.front());
    queue.pending_.pop_front();
    run_entry(lock, queue, std::move(entry));
    changed_.notify_all();
  }

  void run_entry(Lock& lock, StreamQueue& queue, Entry entry) {
    if (entry.forgets) queue.error_ = nullptr;
    if (entry.waits_for && entry.waits_for->error && !queue.error_) {
      queue.error_ = entry.waits_for->error;
    }
    if (entry.passes) pass(*entry.passes, queue.error_);
    if (entry.operation) run_operation(lock, queue, std::move(entry.operation));
    update(queue);
  }

  /// Runs and destroys the operation without the lock; on a failed stream only destroys it.
  void run_operation(Lock& lock, StreamQueue& queue,
                     std::shared_ptr<const HostOperation> operation) {
    const bool failed = queue.error_ != nullptr;
    std::exception_ptr error;
    queue.running_ = true;
    lock.unlock();
    const bool outer = std::exchange(inside_work, true);
    try {
      const DeviceAccess access;
      if (!failed) operation->run();
    } catch (...) {
      error = std::current_exception();
    }
    operation.reset();
    inside_work = outer;
    lock.lock();
    queue.running_ = false;
    if (error) queue.error_ = error;
  }

  static void pass(HostEventPoint& point, const std::exception_ptr& error) {
    point.passed = true;
    point.error = error;
    point.time = std::chrono::steady_clock::now();
  }

  std::mutex mutex_;
  std::condition_variable changed_;  ///< some entry has been run
  HostStreamMode mode_;
  std::uint64_t random_;
  std::vector<StreamQueue*> queues_;
  std::vector<StreamQueue*> ready_;  ///< scratch of run_one
};

HostStreamMode host_stream_mode() {
  HostScheduler& scheduler = HostScheduler::get();
  const auto lock = scheduler.lock();
  return scheduler.mode();
}

void set_host_stream_mode(const HostStreamMode& mode) { HostScheduler::get().set_mode(mode); }

StreamQueue::StreamQueue() { HostScheduler::get().add(*this); }

StreamQueue::~StreamQueue() {
  if (capturing()) {
    capture_->lose();
    abandon_capture();
  }
  HostScheduler::get().remove(*this);
}

void StreamQueue::put(WorkKind kind, std::string_view name, std::function<void()> run) {
  leave_ended_capture();
  if (capturing()) {
    capture_->put(number_);
    capture_->recording.entries.push_back(
        {.stream = number_, .operation = {kind, std::string(name), std::move(run)}});
    return;
  }
  count(kind == WorkKind::launch ? atomic_counters.launches : atomic_counters.copies);
  auto operation =
      std::make_shared<const HostOperation>(HostOperation{kind, std::string(name), std::move(run)});
  HostScheduler::get().put(*this, {.operation = std::move(operation)});
}

void StreamQueue::fail(std::exception_ptr error) noexcept {
  HostScheduler& scheduler = HostScheduler::get();
  const auto lock = scheduler.lock();
  error_ = std::move(error);
  scheduler.update(*this);
}

void StreamQueue::synchronize() {
  refuse_during_capture("Stream: cannot synchronize");
  count(atomic_counters.synchronizations);
  HostScheduler& scheduler = HostScheduler::get();
  auto lock = scheduler.lock();
  scheduler.run_until(lock, [&] { return scheduler.idle(*this); });
  if (!error_) return;
  const std::exception_ptr error = std::exchange(error_, nullptr);
  scheduler.update(*this);
  lock.unlock();
  std::rethrow_exception(error);
}

void StreamQueue::record(std::shared_ptr<HostEventPoint>& point) {
  leave_ended_capture();
  // Streams may still wait for the point of an earlier recording; a point of our own can serve
  // again.
  if (capturing() || !point || point.use_count() != 1 || point->capture)
    point = std::make_shared<HostEventPoint>();
  if (capturing()) {
    HostRecording& recording = capture_->recording;
    point->capture = capture_;
    point->clock = capture_->point(number_);
    point->place = recording.points++;
    recording.entries.push_back({.stream = number_, .passes = point->place});
    return;
  }
  HostScheduler& scheduler = HostScheduler::get();
  auto lock = scheduler.lock();
  point->passed = false;
  scheduler.put(lock, *this, {.passes = point});
}

void StreamQueue::wait(std::shared_ptr<HostEventPoint> point) {
  if (!point) return;
  leave_ended_capture();
  if (point->capture) {
    point->capture->check_wait(capturing() ? capture_.get() : nullptr);
    if (!capturing()) join(*point);
    capture_->wait(number_, point->clock);
    capture_->recording.entries.push_back({.stream = number_, .waits_for = point->place});
    return;
  }
  check_wait(capturing());
  HostScheduler::get().put(*this, {.waits_for = std::move(point)});
}

void StreamQueue::join(const HostEventPoint& point) {
  HostScheduler& scheduler = HostScheduler::get();
  const auto lock = scheduler.lock();
  ADJOINT_CHECK(!error_,
                "Stream: a stream whose work has failed cannot join a capture; "
                "synchronize() says how");
  capture_ = point.capture;
  number_ = capture_->fork(point.clock);
  capture_->recording.streams = number_ + 1;
  scheduler.update(*this);
}

// The stream a capture began on ends it; the others notice when they are used next.
void StreamQueue::leave_ended_capture() {
  if (!capture_ || capturing()) return;
  HostScheduler& scheduler = HostScheduler::get();
  const auto lock = scheduler.lock();
  capture_ = nullptr;
  scheduler.update(*this);
}

void StreamQueue::begin_capture() {
  leave_ended_capture();
  check_begin_capture(capturing());
  HostScheduler& scheduler = HostScheduler::get();
  const auto lock = scheduler.lock();
  ADJOINT_CHECK(
      !error_, "Stream: begin_capture() on a stream whose work has failed; synchronize() says how");
  capture_ = std::make_shared<HostCapture>();
  number_ = 0;
  note_capture(+1);
  scheduler.update(*this);
}

HostRecording StreamQueue::end_capture() {
  check_end_capture(capturing(), capturing() && capture_->of_this_thread());
  check_origin(number_);
  const std::shared_ptr<HostCapture> capture = capture_;
  close_capture();
  capture->check_joined();
  return std::move(capture->recording);
}

void StreamQueue::abandon_capture() {
  if (number_ != 0) return;
  const std::shared_ptr<HostCapture> capture = capture_;  // what operations hold goes with it
  close_capture();
  capture->recording = {};
}

void StreamQueue::close_capture() {
  capture_->end();
  note_capture(-1);
  leave_ended_capture();
}

void StreamQueue::replay(const std::shared_ptr<const HostRecording>& recording,
                         const std::vector<std::unique_ptr<StreamQueue>>& others) {
  leave_ended_capture();
  if (capturing()) return replay_into_capture(*recording);
  HostScheduler& scheduler = HostScheduler::get();
  for (const auto& other : others) scheduler.put(*other, {.forgets = true});
  std::vector<std::shared_ptr<HostEventPoint>> points(std::size_t(recording->points));
  for (const HostRecordedEntry& entry : recording->entries) {
    StreamQueue& queue = entry.stream == 0 ? *this : *others[std::size_t(entry.stream) - 1];
    if (entry.passes >= 0) {
      auto& point = points[std::size_t(entry.passes)];
      point = std::make_shared<HostEventPoint>();
      scheduler.put(queue, {.passes = point});
    } else if (entry.waits_for >= 0) {
      scheduler.put(queue, {.waits_for = points[std::size_t(entry.waits_for)]});
    } else {
      const HostOperation& operation = entry.operation;
      count(operation.kind == WorkKind::launch ? atomic_counters.launches : atomic_counters.copies);
      if (queue.runs_at_once())
        queue.run_at_once(operation.run);
      else
        scheduler.put(queue, {.operation = {recording, &operation}});
    }
  }
}

// The other streams of the recording become streams of this capture, which are joined at its end.
void StreamQueue::replay_into_capture(const HostRecording& recording) {
  HostRecording& into = capture_->recording;
  std::vector<int> numbers{number_};
  for (int stream = 1; stream < recording.streams; ++stream)
    numbers.push_back(capture_->fork(capture_->point(number_)));
  into.streams += recording.streams - 1;
  for (HostRecordedEntry entry : recording.entries) {
    entry.stream = numbers[std::size_t(entry.stream)];
    if (entry.passes >= 0) entry.passes += into.points;
    if (entry.waits_for >= 0) entry.waits_for += into.points;
    capture_->put(entry.stream);
    into.entries.push_back(std::move(entry));
  }
  into.points += recording.points;
  for (int number : numbers) capture_->wait(number_, capture_->point(number));
}

void wait_for_all_streams() noexcept {
  if (inside_work) return;
  HostScheduler& scheduler = HostScheduler::get();
  auto lock = scheduler.lock();
  scheduler.run_until(lock, [&] { return scheduler.idle(); });
}

void wait_for_point(const std::shared_ptr<HostEventPoint>& point) {
  if (!point) return;
  check_timed(point->capture != nullptr);
  HostScheduler& scheduler = HostScheduler::get();
  auto lock = scheduler.lock();
  scheduler.run_until(lock, [&] { return point->passed; });
  if (point->error) std::rethrow_exception(point->error);
}

float milliseconds_between(const HostEventPoint* begin, const HostEventPoint* end) {
  check_elapsed(begin != nullptr && end != nullptr, true);
  check_timed(begin->capture || end->capture);
  const auto lock = HostScheduler::get().lock();
  check_elapsed(true, begin->passed && end->passed);
  return std::chrono::duration<float, std::milli>(end->time - begin->time).count();
}

bool point_passed(const std::shared_ptr<HostEventPoint>& point) {
  if (!point) return true;
  check_timed(point->capture != nullptr);
  HostScheduler& scheduler = HostScheduler::get();
  auto lock = scheduler.lock();
  // Polling makes progress, or a loop around passed() would never end.
  if (!point->passed) scheduler.run_one(lock);
  return point->passed;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
