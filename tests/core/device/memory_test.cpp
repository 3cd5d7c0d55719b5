// The ledger of device memory, its errors, the context's workspace and, in checking builds, what
// they check.
#include "core/device/memory.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <utility>

#include "core/device/context.h"
#include "support/backend.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using MemoryTest = DeviceTest;

constexpr std::size_t kMebibyte = std::size_t(1) << 20;

std::size_t held_by(const Memory& memory, const std::string& owner) {
  for (const auto& [name, bytes] : memory.use().owners) {
    if (name == owner) return bytes;
  }
  return 0;
}

TEST_F(MemoryTest, LedgerKnowsCurrentPeakAndOwners) {
  Memory memory;
  Buffer weights = memory.allocate(3 * kMebibyte, "weights");
  {
    const Buffer a = memory.allocate(1000, "activations");
    const Buffer b = memory.allocate(24, "activations");
    EXPECT_EQ(memory.use().current, 3 * kMebibyte + 1024);
    EXPECT_EQ(held_by(memory, "activations"), 1024u);
  }
  const MemoryUse use = memory.use();
  EXPECT_EQ(use.current, 3 * kMebibyte);
  EXPECT_EQ(use.peak, 3 * kMebibyte + 1024);
  ASSERT_EQ(use.owners.size(), 1u);
  EXPECT_EQ(use.owners[0].name, "weights");
  EXPECT_EQ(use.owners[0].bytes, 3 * kMebibyte);
}

TEST_F(MemoryTest, OwnersComeLargestFirst) {
  Memory memory;
  const Buffer a = memory.allocate(100, "small"), b = memory.allocate(300, "large"),
               c = memory.allocate(200, "middle");
  const MemoryUse use = memory.use();
  ASSERT_EQ(use.owners.size(), 3u);
  EXPECT_EQ(use.owners[0].name, "large");
  EXPECT_EQ(use.owners[1].name, "middle");
  EXPECT_EQ(use.owners[2].name, "small");
}

TEST_F(MemoryTest, BuffersMoveAndOutliveTheMemory) {
  Buffer kept;
  {
    Memory memory;
    Buffer first = memory.allocate(100, "a");
    void* data = first.data();
    kept = std::move(first);
    EXPECT_EQ(kept.data(), data);
    EXPECT_EQ(first.data(), nullptr);
    EXPECT_EQ(first.bytes(), 0u);
    kept = memory.allocate(200, "b");
    EXPECT_EQ(memory.use().current, 200u);
  }
  EXPECT_EQ(kept.bytes(), 200u);
  kept = Buffer();
  EXPECT_EQ(kept.data(), nullptr);
}

TEST_F(MemoryTest, AddressesAreAligned) {
  Memory memory;
  for (const std::size_t bytes : {1, 255, 256, 257, 4096, 5000000}) {
    const Buffer buffer = memory.allocate(bytes, "test");
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 256, 0u) << bytes;
  }
}

TEST_F(MemoryTest, NoBytesAreNoBuffer) {
  Memory memory;
  const std::uint64_t before = device_counters().allocations;
  const Buffer buffer = memory.allocate(0, "nothing");
  EXPECT_EQ(buffer.data(), nullptr);
  EXPECT_EQ(memory.use().owners.size(), 0u);
  EXPECT_EQ(device_counters().allocations, before);
}

TEST_F(MemoryTest, LimitNamesTheOwners) {
  Memory memory;
  memory.set_limit(10 * kMebibyte);
  const Buffer parameters = memory.allocate(6 * kMebibyte, "parameters");
  const Buffer moments = memory.allocate(2 * kMebibyte, "AdamW moments");
  expect_error([&] { memory.allocate(3 * kMebibyte, "activations"); },
               {"out of device memory", "asked 3.0 MiB for 'activations'", "in use 8.0 MiB",
                "(peak 8.0 MiB)", "limit 10.0 MiB", "parameters 6.0 MiB, AdamW moments 2.0 MiB",
                "smaller batch"});
  // Nothing has changed, and what fits is still given.
  EXPECT_EQ(memory.use().current, 8 * kMebibyte);
  EXPECT_NE(memory.allocate(2 * kMebibyte, "activations").data(), nullptr);
}

TEST_F(MemoryTest, MoreThanTheDeviceHasIsAnErrorWithOwners) {
  Memory memory;
  const Buffer parameters = memory.allocate(1000, "parameters");
  expect_error([&] { memory.allocate(std::size_t(1) << 50, "activations"); },
               {"out of device memory", "asked 1.0 PiB for 'activations'", "on the device",
                "parameters 1000"});
}

TEST_F(MemoryTest, PinnedMemoryIsZeroAndCounted) {
  const std::uint64_t before = device_counters().allocations;
  PinnedBuffer pinned(1000);
  EXPECT_EQ(device_counters().allocations, before + 1);
  const auto* bytes = static_cast<const unsigned char*>(pinned.data());
  for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(bytes[i], 0u);
  const PinnedBuffer moved = std::move(pinned);
  EXPECT_EQ(moved.data(), bytes);
  EXPECT_EQ(pinned.data(), nullptr);
}

TEST_F(MemoryTest, ContextStartsWithStepZero) {
  Context context({.seed = 5});
  std::uint64_t step = 99;
  copy_to_host(context.stream(), &step, context.step(), sizeof step);
  context.stream().synchronize();
  EXPECT_EQ(step, 0u);
  EXPECT_EQ(context.random().seed, 5u);
  EXPECT_EQ(context.random().step, context.step());
  EXPECT_TRUE(context.training());
}

TEST_F(MemoryTest, TheModeOfAScopeEndsWithIt) {
  Context context;
  expect_error(
      [&] {
        const ScopedTraining evaluating(context, false);
        EXPECT_FALSE(context.training());
        {
          const ScopedTraining training(context, true);
          EXPECT_TRUE(context.training());
        }
        EXPECT_FALSE(context.training());
        ADJOINT_FAIL("planted failure");
      },
      {"planted failure"});
  EXPECT_TRUE(context.training());
}

TEST_F(MemoryTest, WorkspaceGrowsAndStays) {
  Context context;
  void* first = context.workspace(1000);
  EXPECT_EQ(context.workspace(500), first);
  context.workspace(100000);
  EXPECT_EQ(held_by(context.memory(), "workspace"), 100000u);
}

TEST_F(MemoryTest, CapturedWorkspaceOutlivesGrowth) {
  Context context;
  context.workspace(1000);
  const CapturedWork work = capture(context.stream(), [&] {
    fill_bytes(context.stream(), context.workspace(1000), 1, 1000);
    expect_error([&] { context.workspace(5000); }, {"workspace of 4.9 KiB", "during capture"});
  });
  context.workspace(5000);
  EXPECT_EQ(held_by(context.memory(), "workspace"), 6000u);
  work.replay(context.stream());  // a use after release under AddressSanitizer, were it not kept
  context.stream().synchronize();
}

TEST_F(MemoryTest, ContextHonoursItsLimit) {
  Context context({.memory_limit = 1000});
  expect_error([&] { context.memory().allocate(1001, "activations"); },
               {"limit 1000", "random step 8"});
}

TEST_F(MemoryTest, UnknownDeviceIsAnError) {
  expect_error([&] { Context context({.device = 4711}); }, {"4711"});
}

TEST_F(MemoryTest, ContextsShareOneDevice) {
  if (devices().size() < 2) GTEST_SKIP() << "needs two devices";
  {
    const Context first;
    expect_error([&] { Context context({.device = 1}); }, {"device 1", "contexts on device 0"});
    EXPECT_EQ(first.device(), 0);
    const Context second;
  }
  const Context other({.device = 1});
  EXPECT_EQ(other.device(), 1);
}

#ifdef ADJOINT_CHECKED
TEST_F(MemoryTest, CheckingBuildsFillWithNaN) {
  Context context;
  const DeviceVector<float> fresh(context, 100);
  for (const float value : fresh.download()) EXPECT_TRUE(std::isnan(value));
}
#endif

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
