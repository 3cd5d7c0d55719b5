// Capture: what both backends keep of one capture while it goes on. It begins on one stream; others
// join it by waiting for an event that was recorded in it (a fork), and what they do must come
// before the end of the first again by an event (a join). Only core/device uses it.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Capture {
 public:
  /// Of each stream, by the number it has in the capture, how much of its work comes before a point
  /// (a vector clock; Fidge 1988, Mattern 1989).
  using Clock = std::vector<std::uint64_t>;

  /// By the thread that begins it, on stream 0.
  Capture() : thread_(std::this_thread::get_id()), clocks_(1, Clock(1)) {}
  virtual ~Capture() = default;

  bool of_this_thread() const { return thread_ == std::this_thread::get_id(); }
  /// Whether it has ended: its streams are as others again, and its events mark nothing any more.
  bool ended() const { return ended_.load(std::memory_order_acquire); }
  void end() { ended_.store(true, std::memory_order_release); }

  /// Lets another stream join behind that point, and returns its number. From then on it has work
  /// that must be waited for, if only its beginning.
  int fork(const Clock& point);
  /// Work put on a stream.
  void put(int stream) { ++own(stream); }
  int streams() const { return static_cast<int>(clocks_.size()); }
  /// The point behind what has been put on a stream.
  Clock point(int stream) const { return clocks_[std::size_t(stream)]; }
  /// Makes what follows on a stream come behind that point.
  void wait(int stream, const Clock& point);
  /// A stream of it has been destroyed.
  void lose() { lost_ = true; }

  // The rules, in one wording for both backends: each throws Error where broken.

  /// Of a stream that is part of `own` (null: of none) and waits for a point of this capture.
  void check_wait(const Capture* own) const;
  /// Of stream 0, when it ends: every other one's work comes before.
  void check_joined() const;

 private:
  std::uint64_t& own(int stream) { return clocks_[std::size_t(stream)][std::size_t(stream)]; }

  std::thread::id thread_;
  std::atomic<bool> ended_{false};
  bool lost_ = false;
  std::vector<Clock> clocks_;
};

/// Of end_capture(), on a stream of that number.
void check_origin(int stream);
/// Of calls that ask for the time of an event: one recorded during a capture has none.
void check_timed(bool captured);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
