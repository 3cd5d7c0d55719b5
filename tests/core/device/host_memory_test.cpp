// Device memory of the host backend: how much there is, and in checking builds what only an honest
// program survives.
#include <gtest/gtest.h>

#include <sstream>

#include "core/device/host/cpu.h"
#include "core/device/host/queue.h"
#include "core/device/memory.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(HostMemoryOfGroup, FilesInTheCacheCanBeReclaimed) {
  std::istringstream stat(
      "anon 5000\nfile 70000\ninactive_anon 11\nactive_anon 12\ninactive_file 40000\n"
      "active_file 8589934592\nunevictable 0\nworkingset_refault_file 3\n");
  EXPECT_EQ(reclaimable_bytes(stat), 8589974592u);
  for (const char* text : {"", "anon 5000\n", "inactive_file", "inactive_file some\n"}) {
    std::istringstream other(text);
    EXPECT_EQ(reclaimable_bytes(other), 0u) << text;
  }
}

#ifdef ADJOINT_CHECKED

class HostMemoryDeathTest : public ::testing::Test {
 protected:
  void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
  Memory memory_;
  Stream stream_;
  Buffer buffer_ = memory_.allocate(1000, "test");
  volatile char* data_ = static_cast<char*>(buffer_.data());
};

constexpr char kExplanation[] = "host touched device memory outside a launch or copy";

TEST_F(HostMemoryDeathTest, HostReadDies) {
  EXPECT_DEATH(static_cast<void>(data_[0]), kExplanation);
}

TEST_F(HostMemoryDeathTest, HostWriteDies) { EXPECT_DEATH(data_[0] = 1, kExplanation); }

TEST_F(HostMemoryDeathTest, HostReadAfterWorkDies) {
  fill_bytes(stream_, buffer_.data(), 7, 1000);
  stream_.synchronize();
  EXPECT_DEATH(static_cast<void>(data_[0]), kExplanation);
}

TEST_F(HostMemoryDeathTest, WorkMayReadAndWrite) {
  enqueue(stream_, WorkKind::launch, "write", [data = data_] {
    for (int i = 0; i < 1000; ++i) data[i] = 5;
  });
  char copy = 0;
  copy_to_host(stream_, &copy, buffer_.data(), 1);
  stream_.synchronize();
  EXPECT_EQ(copy, 5);
}

#if defined(__SANITIZE_ADDRESS__)
TEST_F(HostMemoryDeathTest, RedZonesStandAroundBuffers) {
  for (const std::ptrdiff_t index : {-1, 1000}) {
    EXPECT_DEATH(
        {
          enqueue(stream_, WorkKind::launch, "overrun", [data = data_, index] { data[index] = 5; });
          stream_.synchronize();
        },
        "use-after-poison");
  }
}

TEST_F(HostMemoryDeathTest, ReleasedMemoryStaysForbidden) {
  EXPECT_DEATH(
      {
        volatile char* stale = data_;
        buffer_ = Buffer();
        const Buffer other = memory_.allocate(1000, "test");
        enqueue(stream_, WorkKind::launch, "stale", [=] { stale[0] = 5; });
        stream_.synchronize();
      },
      "use-after-poison");
}
#endif

#else

TEST(HostMemory, IsNotChecked) {
  GTEST_SKIP() << "rights and red zones of device memory are a matter of the sanitizer presets";
}

#endif

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
