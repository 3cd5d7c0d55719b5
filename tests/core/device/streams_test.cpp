// Streams, events and captured work, as both backends mean them: order, capture and replay, what is
// an error during capture, and the counters.
#include "core/device/stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <thread>

#include "core/device/counters.h"
#include "core/device/memory.h"
#include "support/backend.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

class StreamsTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (!has_device()) return;
    context_ = std::make_unique<Context>();
    stream_ = std::make_unique<Stream>();
  }

  /// Captures fills of three bytes of `bytes`.
  CapturedWork captured_fills(std::uint8_t* bytes) {
    return capture(*stream_, [&] {
      fill_bytes(*stream_, bytes, 1, 3);
      fill_bytes(*stream_, bytes + 1, 2, 2);
      copy_on_device(*stream_, bytes + 2, bytes, 1);
    });
  }

  std::unique_ptr<Context> context_;
  std::unique_ptr<Stream> stream_;
};

using Bytes = std::vector<std::uint8_t>;

TEST_F(StreamsTest, CopiesAndFillsRunInOrder) {
  const DeviceVector<std::uint8_t> a(*context_, 8), b(*context_, 8);
  const Bytes host{1, 2, 3, 4, 5, 6, 7, 8};
  Bytes back(8);
  copy_to_device(*stream_, a.data(), host.data(), 8);
  fill_bytes(*stream_, a.data() + 2, 9, 3);
  copy_on_device(*stream_, b.data(), a.data(), 8);
  fill_bytes(*stream_, a.data(), 0, 8);
  copy_to_host(*stream_, back.data(), b.data(), 8);
  stream_->synchronize();
  EXPECT_EQ(back, (Bytes{1, 2, 9, 9, 9, 6, 7, 8}));
}

TEST_F(StreamsTest, NoBytesAreNoWork) {
  const DeviceCounters before = device_counters();
  copy_to_device(*stream_, nullptr, nullptr, 0);
  fill_bytes(*stream_, nullptr, 0, 0);
  EXPECT_EQ(device_counters().copies, before.copies);
}

TEST_F(StreamsTest, EventOrdersStreams) {
  const DeviceVector<std::uint8_t> a(*context_, 1);
  Stream other;
  Event filled;
  std::uint8_t back = 0;
  fill_bytes(*stream_, a.data(), 7, 1);
  filled.record(*stream_);
  other.wait(filled);
  copy_to_host(other, &back, a.data(), 1);
  other.synchronize();
  EXPECT_EQ(back, 7);
}

TEST_F(StreamsTest, EventsNeverRecordedHavePassed) {
  const Event event;
  EXPECT_TRUE(event.passed());
  event.synchronize();
  stream_->wait(event);
}

TEST_F(StreamsTest, ElapsedTimeNeedsPassedEvents) {
  Event begin, end;
  expect_error([&] { elapsed_milliseconds(begin, end); }, {"never recorded"});
  const DeviceVector<std::uint8_t> a(*context_, 1000);
  begin.record(*stream_);
  fill_bytes(*stream_, a.data(), 7, 1000);
  end.record(*stream_);
  end.synchronize();
  EXPECT_TRUE(begin.passed());
  EXPECT_GE(elapsed_milliseconds(begin, end), 0.0f);
}

TEST_F(StreamsTest, CaptureRunsNothingAndReplayEverything) {
  DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  const CapturedWork work = captured_fills(a.data());
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{0, 0, 0}));
  EXPECT_EQ(work.operations().size(), 3u);
  EXPECT_EQ(work.operations()[0], "fill_bytes");
  for (int i = 0; i < 3; ++i) {
    a.upload({0, 0, 0});
    work.replay(*stream_);
    stream_->synchronize();
    EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
  }
}

TEST_F(StreamsTest, ReplayOnAnotherStreamAndAfterTheMove) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  CapturedWork first = captured_fills(a.data());
  const CapturedWork work = std::move(first);
  Stream other;
  work.replay(other);
  other.synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
  expect_error([&] { first.replay(other); }, {"nothing to replay"});
}

TEST_F(StreamsTest, RecordingMayEndBeforeItsReplay) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  captured_fills(a.data()).replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
}

TEST_F(StreamsTest, CapturedCopiesReadHostMemoryAtReplay) {
  const DeviceVector<std::uint8_t> a(*context_, 1);
  const PinnedBuffer pinned(1);
  auto* host = static_cast<std::uint8_t*>(pinned.data());
  const CapturedWork work = capture(*stream_, [&] { copy_to_device(*stream_, a.data(), host, 1); });
  for (const std::uint8_t value : {5, 6}) {
    *host = value;
    work.replay(*stream_);
    stream_->synchronize();
    EXPECT_EQ(a.download(), Bytes{value});
  }
}

TEST_F(StreamsTest, ReplayInsideACaptureJoinsIt) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  const CapturedWork inner = captured_fills(a.data());
  const CapturedWork outer = capture(*stream_, [&] {
    inner.replay(*stream_);
    fill_bytes(*stream_, a.data(), 9, 1);
  });
  EXPECT_EQ(outer.operations().size(), 4u);
  EXPECT_EQ(a.download(), (Bytes{0, 0, 0}));
  outer.replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{9, 2, 1}));
}

TEST_F(StreamsTest, EmptyCaptureReplaysNothing) {
  const CapturedWork work = capture(*stream_, [] {});
  EXPECT_TRUE(work.operations().empty());
  work.replay(*stream_);
  stream_->synchronize();
}

TEST_F(StreamsTest, IllegalActsDuringCaptureAreErrorsAndTheCaptureGoesOn) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  Stream other;
  Memory memory;
  Event outside, never_recorded;
  outside.record(other);
  other.synchronize();
  stream_->begin_capture();
  EXPECT_TRUE(stream_->capturing());
  fill_bytes(*stream_, a.data(), 1, 3);
  expect_error([&] { memory.allocate(100, "late"); },
               {"late", "capturing", "before begin_capture"});
  expect_error([&] { PinnedBuffer pinned(100); }, {"PinnedBuffer", "capturing"});
  expect_error([&] { stream_->synchronize(); }, {"synchronize", "capturing"});
  expect_error([&] { other.synchronize(); }, {"synchronize", "capturing"});
  expect_error([&] { outside.synchronize(); }, {"synchronize", "capturing"});
  expect_error([&] { outside.passed(); }, {"passed", "capturing"});
  expect_error([&] { elapsed_milliseconds(outside, outside); }, {"time", "capturing"});
  expect_error([&] { outside.record(*stream_); }, {"recorded", "after the replay"});
  expect_error([&] { stream_->wait(outside); }, {"wait", "outside of the capture"});
  expect_error([&] { stream_->begin_capture(); }, {"already being captured"});
  stream_->wait(never_recorded);
  fill_bytes(*stream_, a.data(), 2, 1);
  const CapturedWork work = stream_->end_capture();
  EXPECT_FALSE(stream_->capturing());

  work.replay(*stream_);
  stream_->wait(outside);
  outside.record(*stream_);
  outside.synchronize();
  EXPECT_TRUE(outside.passed());
  EXPECT_EQ(a.download(), (Bytes{2, 1, 1}));
  EXPECT_NE(memory.allocate(100, "late").data(), nullptr);
}

TEST_F(StreamsTest, EndingWhatWasNotBegunIsAnError) {
  expect_error([&] { stream_->end_capture(); }, {"without begin_capture"});
}

TEST_F(StreamsTest, AnotherThreadMayWorkButNotEndTheCapture) {
  stream_->begin_capture();
  std::thread([&] {
    Stream other;
    Memory memory;
    const Buffer buffer = memory.allocate(1, "loader");
    fill_bytes(other, buffer.data(), 1, 1);
    other.synchronize();
    expect_error([&] { stream_->end_capture(); }, {"another thread"});
  }).join();
  stream_->end_capture();
}

TEST_F(StreamsTest, ThrowingBodyAbandonsTheCapture) {
  expect_error([&] { capture(*stream_, [] { ADJOINT_FAIL("planted failure"); }); },
               {"planted failure"});
  EXPECT_FALSE(stream_->capturing());
  EXPECT_FALSE(this_thread_captures());
  stream_->synchronize();
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  captured_fills(a.data()).replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
}

TEST_F(StreamsTest, AnAbandonedCaptureLeavesNothingToTheNext) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0}), b(*context_, Bytes{0, 0, 0});
  expect_error(
      [&] {
        capture(*stream_, [&] {
          fill_bytes(*stream_, b.data(), 7, 3);
          ADJOINT_FAIL("planted failure");
        });
      },
      {"planted failure"});
  const CapturedWork work = captured_fills(a.data());
  EXPECT_EQ(work.operations().size(), 3u);
  work.replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
  EXPECT_EQ(b.download(), (Bytes{0, 0, 0}));
}

TEST_F(StreamsTest, DestroyedDuringCaptureEndsIt) {
  {
    Stream stream;
    stream.begin_capture();
  }
  EXPECT_FALSE(this_thread_captures());
}

TEST_F(StreamsTest, MemoryReleasedDuringCaptureIsNoError) {
  Memory memory;
  Buffer buffer = memory.allocate(1000, "test");
  const CapturedWork work = capture(*stream_, [&] { buffer = Buffer(); });
  EXPECT_EQ(memory.use().current, 0u);
}

TEST_F(StreamsTest, CountersCountWhatIsAskedOfTheDevice) {
  Memory memory;
  DeviceCounters before = device_counters();
  Buffer buffer = memory.allocate(100, "test");
  EXPECT_EQ(device_counters().allocations, before.allocations + 1);

  auto* bytes = static_cast<std::uint8_t*>(buffer.data());
  const CapturedWork work = captured_fills(bytes);
  EXPECT_EQ(device_counters().copies, before.copies);
  work.replay(*stream_);
  work.replay(*stream_);
  fill_bytes(*stream_, bytes, 0, 1);
  EXPECT_EQ(device_counters().copies, before.copies + 7);
  EXPECT_EQ(device_counters().launches, before.launches);

  EXPECT_EQ(device_counters().synchronizations, before.synchronizations);
  stream_->synchronize();
  EXPECT_EQ(device_counters().synchronizations, before.synchronizations + 1);
  buffer = Buffer();
  EXPECT_EQ(device_counters().synchronizations, before.synchronizations + 2);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
