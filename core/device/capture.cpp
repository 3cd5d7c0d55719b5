#include "core/device/capture.h"

#include <algorithm>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

void raise(Capture::Clock& clock, const Capture::Clock& to) {
  clock.resize(std::max(clock.size(), to.size()));
  for (std::size_t i = 0; i < to.size(); ++i) clock[i] = std::max(clock[i], to[i]);
}

}  // namespace

int Capture::fork(const Clock& point) {
  const auto stream = static_cast<int>(clocks_.size());
  clocks_.push_back(point);
  clocks_.back().resize(clocks_.size());
  put(stream);
  return stream;
}

void Capture::wait(int stream, const Clock& point) {
  raise(clocks_[std::size_t(stream)], point);
  if (stream > 0) put(stream);
}

void Capture::check_wait(const Capture* own) const {
  ADJOINT_CHECK(!ended(),
                "Stream: cannot wait for an event recorded during a capture that has ended: it "
                "marks a place in that recording alone; record it again");
  ADJOINT_CHECK(own == nullptr || own == this,
                "Stream: cannot wait, while being captured, for an event of another capture; "
                "captures know nothing of each other");
  ADJOINT_CHECK(of_this_thread(),
                "Stream: cannot join a capture that another thread has begun; use it on that "
                "thread, or after its replay");
}

void Capture::check_joined() const {
  ADJOINT_CHECK(!lost_,
                "Stream: end_capture(): a stream that had joined the capture was destroyed; "
                "keep it until the capture has ended");
  for (std::size_t i = 1; i < clocks_.size(); ++i) {
    const Clock& end = clocks_[0];
    ADJOINT_CHECK(i < end.size() && end[i] >= clocks_[i][i],
                  "Stream: end_capture() while a stream that joined the capture has work that "
                  "nobody waits for (fork ",
                  i,
                  "); record an event on it behind its last work, and "
                  "let the stream that is captured wait for that event");
  }
}

void check_origin(int stream) {
  ADJOINT_CHECK(stream == 0,
                "Stream: end_capture() on a stream that has only joined the capture; end it on the "
                "stream that it was begun on");
}

void check_timed(bool captured) {
  ADJOINT_CHECK(!captured,
                "Event: it was recorded during a capture, where it marks a place in the recording "
                "and no time; record it on a stream that is not being captured");
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
