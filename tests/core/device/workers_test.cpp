#include "core/device/host/workers.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class Workers : public testing::TestWithParam<int> {
 protected:
  void SetUp() override { set_workers(GetParam()); }
  void TearDown() override { set_workers(before_); }

 private:
  int before_ = workers();
};
INSTANTIATE_TEST_SUITE_P(Counts, Workers, testing::Values(1, 2, 3, 8));

TEST_P(Workers, EveryIndexRunsOnce) {
  EXPECT_EQ(workers(), GetParam());
  for (std::int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<std::atomic<int>> calls(std::size_t(count) + 1);
    parallel_for(count, [&](std::int64_t i) { ++calls[std::size_t(i)]; });
    for (std::int64_t i = 0; i < count; ++i) ASSERT_EQ(calls[std::size_t(i)], 1);
    EXPECT_EQ(calls[std::size_t(count)], 0);
  }
}

TEST_P(Workers, ManySmallJobs) {
  std::vector<std::int64_t> values(64);
  for (std::int64_t round = 0; round < 2000; ++round)
    parallel_for(64, [&](std::int64_t i) { values[std::size_t(i)] += i * round; });
  for (std::int64_t i = 0; i < 64; ++i) ASSERT_EQ(values[std::size_t(i)], i * 1999000);
}

TEST_P(Workers, NestedCallsRunInline) {
  std::atomic<int> calls = 0;
  parallel_for(10, [&](std::int64_t) {
    const std::thread::id outer = std::this_thread::get_id();
    parallel_for(10, [&](std::int64_t) {
      EXPECT_EQ(std::this_thread::get_id(), outer);
      ++calls;
    });
  });
  EXPECT_EQ(calls, 100);
}

TEST_P(Workers, ExceptionsReachTheCaller) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    EXPECT_THROW(parallel_for(100,
                              [](std::int64_t i) {
                                if (i == 37) throw std::runtime_error("37");
                              }),
                 std::runtime_error);
    std::atomic<int> calls = 0;
    parallel_for(100, [&](std::int64_t) { ++calls; });
    EXPECT_EQ(calls, 100);
  }
}

TEST_P(Workers, SeveralCallersTakeTurns) {
  std::atomic<int> calls = 0;
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; ++c)
    callers.emplace_back([&] {
      for (int repeat = 0; repeat < 100; ++repeat) parallel_for(16, [&](std::int64_t) { ++calls; });
    });
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(calls, 6400);
}

TEST_P(Workers, CannotBeResizedFromInside) {
  bool refused = false;
  parallel_for(2, [&](std::int64_t i) {
    if (i != 0 || GetParam() == 1) return;
    try {
      set_workers(2);
    } catch (const std::runtime_error&) {
      refused = true;
    }
  });
  EXPECT_EQ(refused, GetParam() != 1);
}

#if !defined(__SANITIZE_THREAD__)
TEST_P(Workers, WorkInAForkedChild) {
  parallel_for(100, [](std::int64_t) {});  // the parent's threads, which the child will not have
  const pid_t child = fork();
  if (child == 0) {
    std::atomic<int> calls = 0;
    parallel_for(100, [&](std::int64_t) { ++calls; });
    _exit(calls == 100 ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}
#endif

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
