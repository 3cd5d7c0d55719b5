// The host's streams: both modes, the orders that a seed picks, and what they make visible that
// would be wrong on a GPU. Memory here is plain host memory, which is device memory to the host
// backend's streams.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "core/device/host/queue.h"
#include "core/device/memory.h"
#include "core/device/stream.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

/// Sets a mode and puts back the one there was.
class ScopedMode {
 public:
  explicit ScopedMode(HostStreamMode mode) { set_host_stream_mode(mode); }
  ~ScopedMode() { set_host_stream_mode(before_); }

 private:
  HostStreamMode before_ = host_stream_mode();
};

void put(Stream& stream, std::function<void()> work, std::string_view name = "work") {
  enqueue(stream, WorkKind::launch, name, std::move(work));
}

constexpr int kSeeds = 200;

TEST(HostStreams, EagerWorkRunsAtOnce) {
  const ScopedMode mode({.deferred = false});
  Stream stream;
  int value = 0;
  put(stream, [&] { value = 7; });
  EXPECT_EQ(value, 7);
  Event event;
  event.record(stream);
  EXPECT_TRUE(event.passed());
}

TEST(HostStreams, DeferredWorkRunsInOrderWhenWaitedFor) {
  const ScopedMode mode({.deferred = true, .seed = 1});
  Stream stream;
  std::vector<int> order;
  for (int i = 0; i < 5; ++i) put(stream, [&order, i] { order.push_back(i); });
  EXPECT_TRUE(order.empty());
  stream.synchronize();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

/// A producer on one stream, a consumer on another, with or without the event between them.
bool consumer_sees_producer(std::uint64_t seed, bool with_event) {
  const ScopedMode mode({.deferred = true, .seed = seed});
  Stream producer, consumer;
  int data = 0, seen = -1;
  put(producer, [] {});
  put(producer, [&] { data = 42; });
  Event ready;
  ready.record(producer);
  if (with_event) consumer.wait(ready);
  put(consumer, [&] { seen = data; });
  consumer.synchronize();
  return seen == 42;
}

TEST(HostStreams, MissingEventShowsUnderSomeSeed) {
  int wrong = 0;
  for (int seed = 0; seed < kSeeds; ++seed) wrong += !consumer_sees_producer(seed, false);
  EXPECT_GT(wrong, kSeeds / 4);
  EXPECT_LT(wrong, kSeeds);
}

TEST(HostStreams, WithTheEventNoSeedFails) {
  for (int seed = 0; seed < kSeeds; ++seed) EXPECT_TRUE(consumer_sees_producer(seed, true)) << seed;
}

TEST(HostStreams, SeedDecidesTheOrder) {
  const auto order_of = [](std::uint64_t seed) {
    const ScopedMode mode({.deferred = true, .seed = seed});
    Stream a, b, c;
    std::string order;
    for (int i = 0; i < 3; ++i) {
      put(a, [&] { order += 'a'; });
      put(b, [&] { order += 'b'; });
      put(c, [&] { order += 'c'; });
    }
    a.synchronize(), b.synchronize(), c.synchronize();
    return order;
  };
  std::set<std::string> orders;
  for (int seed = 0; seed < kSeeds; ++seed) {
    const std::string order = order_of(seed);
    EXPECT_EQ(order, order_of(seed));
    orders.insert(order);
  }
  EXPECT_GT(orders.size(), 50u);
}

TEST(HostStreams, HostMemoryChangedBeforeTheCopyRanShows) {
  const auto copied = [](bool deferred) {
    const ScopedMode mode({.deferred = deferred, .seed = 3});
    Stream stream;
    int host = 1, device = 0;
    copy_to_device(stream, &device, &host, sizeof host);
    host = 2;  // the mistake: the copy may not have run
    stream.synchronize();
    return device;
  };
  EXPECT_EQ(copied(true), 2);
  EXPECT_EQ(copied(false), 1);
}

TEST(HostStreams, PollingAnEventMakesProgress) {
  const ScopedMode mode({.deferred = true, .seed = 5});
  Stream stream;
  int ran = 0;
  for (int i = 0; i < 10; ++i) put(stream, [&] { ++ran; });
  Event event;
  event.record(stream);
  EXPECT_FALSE(event.passed());
  int polls = 1;
  while (!event.passed()) ++polls;
  EXPECT_EQ(ran, 10);
  EXPECT_LE(polls, 11);
}

TEST(HostStreams, WaitsRefersToTheRecordingOfItsTime) {
  for (int seed = 0; seed < 20; ++seed) {
    const ScopedMode mode({.deferred = true, .seed = std::uint64_t(seed)});
    Stream a, b;
    Event event;
    std::string order;
    put(a, [&] { order += '1'; });
    event.record(a);
    b.wait(event);
    put(b, [&] { order += '2'; });
    // Recorded anew behind work that waits for b: if b waited for this point, nothing could run.
    Event of_b;
    of_b.record(b);
    a.wait(of_b);
    put(a, [&] { order += '3'; });
    event.record(a);
    event.synchronize();
    EXPECT_EQ(order, "123") << seed;
  }
}

TEST(HostStreams, DestroyedStreamRunsItsWork) {
  const ScopedMode mode({.deferred = true});
  int ran = 0;
  {
    Stream stream;
    put(stream, [&] { ++ran; });
  }
  EXPECT_EQ(ran, 1);
}

TEST(HostStreams, FailureIsRethrownOnceAndDropsLaterWork) {
  for (const bool deferred : {false, true}) {
    const ScopedMode mode({.deferred = deferred});
    Stream stream;
    int ran = 0;
    put(stream, [&] { ++ran; });
    put(stream, [] { ADJOINT_FAIL("planted failure"); });
    put(stream, [&] { ran += 100; });
    Event event;
    event.record(stream);
    expect_error([&] { event.synchronize(); }, {"planted failure"});
    EXPECT_TRUE(event.passed());
    expect_error([&] { stream.synchronize(); }, {"planted failure"});
    EXPECT_EQ(ran, 1);
    stream.synchronize();
    put(stream, [&] { ran += 10; });
    stream.synchronize();
    EXPECT_EQ(ran, 11);
  }
}

TEST(HostStreams, FailurePassesToStreamsThatWait) {
  for (const bool deferred : {false, true}) {
    const ScopedMode mode({.deferred = deferred});
    Stream a, b;
    put(a, [] { ADJOINT_FAIL("planted failure"); });
    Event event;
    event.record(a);
    b.wait(event);
    int ran = 0;
    put(b, [&] { ++ran; });
    expect_error([&] { b.synchronize(); }, {"planted failure"});
    expect_error([&] { a.synchronize(); }, {"planted failure"});
    EXPECT_EQ(ran, 0);
  }
}

TEST(HostStreams, WorkThatWaitsIsAnErrorNotAHang) {
  const ScopedMode mode({.deferred = true});
  Stream stream;
  put(stream, [] {});
  put(stream, [&] { stream.synchronize(); });
  expect_error([&] { stream.synchronize(); }, {"must not wait"});
}

TEST(HostStreams, ThreadsUseStreamsOfTheirOwn) {
  for (int seed = 0; seed < 20; ++seed) {
    const ScopedMode mode({.deferred = true, .seed = std::uint64_t(seed)});
    constexpr int kRounds = 50;
    Stream copies, compute;
    Event loaded;
    std::atomic<int> handed{0}, taken{0};
    int slot = 0, sum = 0;
    std::thread loader([&] {
      for (int round = 1; round <= kRounds; ++round) {
        while (taken.load() != round - 1) std::this_thread::yield();
        put(copies, [&slot, round] { slot = round; });
        loaded.record(copies);
        handed.store(round);
      }
    });
    for (int round = 1; round <= kRounds; ++round) {
      while (handed.load() != round) std::this_thread::yield();
      compute.wait(loaded);
      put(compute, [&] { sum += slot; });
      compute.synchronize();
      taken.store(round);
    }
    loader.join();
    EXPECT_EQ(sum, kRounds * (kRounds + 1) / 2);
  }
}

/// One step of gradient descent, as a kernel would take it.
void put_step(Stream& stream, float* weight, float rate) {
  enqueue(stream, WorkKind::launch, "step", [=] { *weight -= rate; });
}
void put_step(Stream& stream, float* weight, const float* rate) {
  enqueue(stream, WorkKind::launch, "step", [=] { *weight -= *rate; });
}

TEST(HostStreams, LearningRatePassedByValueIsFrozenByCapture) {
  for (const bool deferred : {false, true}) {
    const ScopedMode mode({.deferred = deferred});
    Stream stream;
    float frozen = 10, followed = 10, rate = 1, rate_on_device = 1;
    const CapturedWork work = capture(stream, [&] {
      put_step(stream, &frozen, rate);               // the mistake
      put_step(stream, &followed, &rate_on_device);  // what the schedule may change
    });
    EXPECT_EQ(work.operations(), (std::vector<std::string>{"step", "step"}));
    work.replay(stream);
    stream.synchronize();
    rate = rate_on_device = 4;
    work.replay(stream);
    stream.synchronize();
    EXPECT_EQ(frozen, 8);    // 10 - 1 - 1: the rate of the capture
    EXPECT_EQ(followed, 5);  // 10 - 1 - 4
  }
}

TEST(HostStreams, ReplayAllocatesAndWaitsForNothing) {
  const ScopedMode mode({.deferred = false});
  Stream stream;
  int ran = 0;
  const CapturedWork work = capture(stream, [&] {
    for (int i = 0; i < 5; ++i) enqueue(stream, WorkKind::launch, "count", [&] { ++ran; });
  });
  const DeviceCounters before = device_counters();
  for (int i = 0; i < 3; ++i) work.replay(stream);
  const DeviceCounters after = device_counters();
  EXPECT_EQ(ran, 15);
  EXPECT_EQ(after.launches, before.launches + 15);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.synchronizations, before.synchronizations);
}

/// A captured producer on one stream and its consumer on another, with or without the event that
/// tells of it; the wrong one joins all the same.
bool captured_consumer_sees_producer(std::uint64_t seed, bool with_event, int replays) {
  const ScopedMode mode({.deferred = true, .seed = seed});
  Stream producer, consumer;
  int data = 0, seen = -1;
  Event begun, ready, done;
  const CapturedWork work = capture(producer, [&] {
    put(producer, [&] { data = 0; });
    begun.record(producer);
    consumer.wait(begun);
    put(producer, [&] { data = 42; });
    ready.record(producer);
    if (with_event) consumer.wait(ready);
    put(consumer, [&] { seen = data; });
    done.record(consumer);
    producer.wait(done);
  });
  for (int i = 0; i < replays; ++i) work.replay(producer);
  producer.synchronize();
  return seen == 42;
}

TEST(HostStreams, MissingEventInACaptureShowsUnderSomeSeed) {
  for (const int replays : {1, 3}) {
    int wrong = 0;
    for (int seed = 0; seed < kSeeds; ++seed)
      wrong += !captured_consumer_sees_producer(seed, false, replays);
    EXPECT_GT(wrong, kSeeds / 5);
    EXPECT_LT(wrong, kSeeds);
  }
}

TEST(HostStreams, WithTheEventNoSeedFailsInACapture) {
  for (int seed = 0; seed < kSeeds; ++seed)
    EXPECT_TRUE(captured_consumer_sees_producer(seed, true, 1 + seed % 3)) << seed;
}

TEST(HostStreams, AForkThatFailsFailsTheReplayAndNotTheNext) {
  for (const bool deferred : {false, true}) {
    const ScopedMode mode({.deferred = deferred});
    Stream stream, other;
    Event begun, done;
    int ran = 0, joined = 0;
    bool fails = true;
    const CapturedWork work = capture(stream, [&] {
      begun.record(stream);
      other.wait(begun);
      put(other, [&] {
        if (fails) ADJOINT_FAIL("planted failure");
        ++ran;
      });
      done.record(other);
      stream.wait(done);
      put(stream, [&] { ++joined; });
    });
    work.replay(stream);
    expect_error([&] { stream.synchronize(); }, {"planted failure"});
    EXPECT_EQ(joined, 0);
    fails = false;
    work.replay(stream);
    stream.synchronize();
    EXPECT_EQ(ran, 1);
    EXPECT_EQ(joined, 1);
  }
}

TEST(HostStreams, FailedStreamCannotJoinACapture) {
  Stream stream, other;
  put(other, [] { ADJOINT_FAIL("planted failure"); });
  Event event, begun;
  event.record(other);
  expect_error([&] { event.synchronize(); }, {"planted failure"});
  stream.begin_capture();
  begun.record(stream);
  expect_error([&] { other.wait(begun); }, {"failed", "synchronize()"});
  stream.end_capture();
  expect_error([&] { other.synchronize(); }, {"planted failure"});
}

TEST(HostStreams, FailedReplayDropsTheRest) {
  for (const bool deferred : {false, true}) {
    const ScopedMode mode({.deferred = deferred});
    Stream stream;
    int ran = 0;
    const CapturedWork work = capture(stream, [&] {
      put(stream, [&] { ++ran; });
      put(stream, [&] {
        if (ran == 1) ADJOINT_FAIL("planted failure");
      });
      put(stream, [&] { ran += 10; });
    });
    work.replay(stream);
    expect_error([&] { stream.synchronize(); }, {"planted failure"});
    EXPECT_EQ(ran, 1);
    work.replay(stream);
    stream.synchronize();
    EXPECT_EQ(ran, 12);
  }
}

TEST(HostStreams, FailedStreamCannotBeCaptured) {
  Stream stream;
  put(stream, [] { ADJOINT_FAIL("planted failure"); });
  Event event;
  event.record(stream);
  expect_error([&] { event.synchronize(); }, {"planted failure"});
  expect_error([&] { stream.begin_capture(); }, {"failed", "synchronize()"});
  expect_error([&] { stream.synchronize(); }, {"planted failure"});
  stream.begin_capture();
  stream.end_capture();
}

TEST(HostStreams, ReleasingMemoryWaitsForItsUsers) {
  const ScopedMode mode({.deferred = true, .seed = 9});
  Memory memory;
  Stream stream;
  bool ran = false;
  Buffer buffer = memory.allocate(100, "test");
  put(stream, [data = static_cast<char*>(buffer.data()), &ran] {
    data[99] = 1;
    ran = true;
  });
  buffer = Buffer();
  EXPECT_TRUE(ran);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
