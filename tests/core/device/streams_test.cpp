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

/// A fork and a join: ones on the first stream, meanwhile twos on the other one behind them; then a
/// three and a two that the other left, a byte each.
void put_fork(Stream& stream, Stream& other, std::uint8_t* bytes) {
  Event begun, filled;
  fill_bytes(stream, bytes, 1, 4);
  begun.record(stream);
  other.wait(begun);
  fill_bytes(other, bytes + 2, 2, 2);
  filled.record(other);
  fill_bytes(stream, bytes, 3, 1);
  stream.wait(filled);
  copy_on_device(stream, bytes + 1, bytes + 3, 1);
}

CapturedWork captured_fork(Stream& stream, Stream& other, std::uint8_t* bytes) {
  CapturedWork work = capture(stream, [&] {
    put_fork(stream, other, bytes);
    EXPECT_TRUE(other.capturing());
  });
  EXPECT_FALSE(other.capturing());
  return work;
}

TEST_F(StreamsTest, AForkAndItsJoinAreCapturedAndReplayed) {
  DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0, 0});
  Stream other;
  const CapturedWork work = captured_fork(*stream_, other, a.data());
  EXPECT_EQ(work.operations().size(), 4u);
  EXPECT_EQ(a.download(), (Bytes{0, 0, 0, 0}));
  put_fork(*stream_, other, a.data());
  stream_->synchronize();
  const Bytes plain = a.download();
  EXPECT_EQ(plain, (Bytes{3, 2, 2, 2}));
  const DeviceCounters before = device_counters();
  for (int i = 0; i < 3; ++i) {
    fill_bytes(*stream_, a.data(), 9, 4);
    work.replay(*stream_);
  }
  EXPECT_EQ(device_counters().copies, before.copies + 15);
  stream_->synchronize();
  EXPECT_EQ(a.download(), plain);
  // Both streams are as others again.
  fill_bytes(other, a.data(), 7, 1);
  other.synchronize();
  EXPECT_EQ(a.download()[0], 7);
  captured_fork(other, *stream_, a.data()).replay(other);
  other.synchronize();
  EXPECT_EQ(a.download(), (Bytes{3, 2, 2, 2}));
}

TEST_F(StreamsTest, AForkInsideAReplayedRecordingJoinsTheOuterCapture) {
  DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0, 0, 0});
  Stream other;
  const CapturedWork inner = captured_fork(*stream_, other, a.data());
  const CapturedWork outer = capture(*stream_, [&] {
    fill_bytes(*stream_, a.data(), 9, 5);
    inner.replay(*stream_);
    copy_on_device(*stream_, a.data() + 4, a.data() + 2, 1);
  });
  for (int i = 0; i < 3; ++i) outer.replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{3, 2, 2, 2, 2}));
}

TEST_F(StreamsTest, ForksOfForksAreJoinedThroughTheirFork) {
  DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  Stream second, third;
  Event one, two, three, four;
  const CapturedWork work = capture(*stream_, [&] {
    one.record(*stream_);
    second.wait(one);
    fill_bytes(second, a.data(), 1, 3);
    two.record(second);
    third.wait(two);
    copy_on_device(third, a.data() + 1, a.data(), 1);
    three.record(third);
    second.wait(three);
    fill_bytes(second, a.data() + 2, 5, 1);
    four.record(second);
    stream_->wait(four);
  });
  work.replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 1, 5}));
}

TEST_F(StreamsTest, AForkThatNobodyWaitsForIsRefused) {
  const DeviceVector<std::uint8_t> a(*context_, Bytes{0, 0, 0});
  Event begun, filled;
  for (const int fault : {0, 1, 2}) {  // never joined, joined too early, without any work
    Stream other;
    expect_error(
        [&] {
          capture(*stream_, [&] {
            begun.record(*stream_);
            other.wait(begun);
            if (fault == 2) return;
            fill_bytes(other, a.data(), 1, 1);
            if (fault == 0) return;
            filled.record(other);
            stream_->wait(filled);
            fill_bytes(other, a.data(), 2, 1);
          });
        },
        {"end_capture()", "nobody waits for", "record an event"});
    EXPECT_FALSE(stream_->capturing());
    EXPECT_FALSE(other.capturing());
    EXPECT_FALSE(this_thread_captures());
    fill_bytes(other, a.data(), 0, 3);
    other.synchronize();
  }
  captured_fills(a.data()).replay(*stream_);
  stream_->synchronize();
  EXPECT_EQ(a.download(), (Bytes{1, 2, 1}));
}

TEST_F(StreamsTest, EventsOfOtherCapturesAreRefused) {
  Stream other, apart;
  Event here, there;
  stream_->begin_capture();
  here.record(*stream_);
  other.begin_capture();
  there.record(other);
  expect_error([&] { stream_->wait(there); }, {"wait", "another capture"});
  expect_error([&] { other.wait(here); }, {"wait", "another capture"});
  other.end_capture();
  expect_error([&] { stream_->wait(there); }, {"wait", "capture that has ended"});
  std::thread([&] {
    expect_error([&] { apart.wait(here); }, {"cannot join", "another thread"});
  }).join();
  stream_->end_capture();
  expect_error([&] { apart.wait(here); }, {"wait", "capture that has ended", "record it again"});
  expect_error([&] { here.synchronize(); }, {"recorded during a capture", "no time"});
  expect_error([&] { here.passed(); }, {"recorded during a capture", "no time"});
  expect_error([&] { elapsed_milliseconds(here, here); }, {"recorded during a capture"});
  here.record(*stream_);  // and is as any other
  apart.wait(here);
  apart.synchronize();
  EXPECT_TRUE(here.passed());
}

TEST_F(StreamsTest, OnlyTheFirstStreamEndsACapture) {
  Stream other;
  Event begun, joined;
  stream_->begin_capture();
  begun.record(*stream_);
  other.wait(begun);
  expect_error([&] { other.end_capture(); }, {"only joined", "begun on"});
  expect_error([&] { other.begin_capture(); }, {"already being captured"});
  expect_error([&] { other.synchronize(); }, {"synchronize", "capturing"});
  other.abandon_capture();  // not its own
  EXPECT_TRUE(other.capturing());
  joined.record(other);
  stream_->wait(joined);
  stream_->end_capture();
  EXPECT_FALSE(other.capturing());
  stream_->begin_capture();
  begun.record(*stream_);
  other.wait(begun);
  stream_->abandon_capture();
  EXPECT_FALSE(other.capturing());
}

TEST_F(StreamsTest, AForkDestroyedDuringTheCaptureIsRefused) {
  Event begun;
  stream_->begin_capture();
  begun.record(*stream_);
  {
    Stream other;
    other.wait(begun);
  }
  expect_error([&] { stream_->end_capture(); }, {"destroyed", "until the capture has ended"});
  EXPECT_FALSE(this_thread_captures());
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
