#include "core/base/log.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "core/base/files.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

class Log : public testing::Test {
 protected:
  void SetUp() override { stop_logging(); }
  void TearDown() override { stop_logging(); }
};

TEST_F(Log, IsSilentWithoutASink) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  EXPECT_FALSE(logs(LogLevel::error));
  log_error("nobody hears this");
  log_message(LogLevel::error, "nor this");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(Log, EachSinkHasItsLevel) {
  std::vector<std::string> lines;
  log_to_function(LogLevel::info, [&](LogLevel level, std::string_view message) {
    lines.push_back(str(static_cast<int>(level), " ", message));
  });
  testing::internal::CaptureStderr();
  log_to_stderr(LogLevel::error);
  log_debug("a");
  log_info("b ", 1);
  log_warning("c {} %s");
  log_error("d");
  EXPECT_EQ(lines, (std::vector<std::string>{"1 b 1", "2 c {} %s", "3 d"}));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "d\n");
}

TEST_F(Log, PartsAreJoinedOnlyWhenWanted) {
  log_to_function(LogLevel::warning, [](LogLevel, std::string_view) {});
  EXPECT_FALSE(logs(LogLevel::info));
  EXPECT_TRUE(logs(LogLevel::warning));
}

TEST_F(Log, AFileIsAppendedTo) {
  const test::ScratchFolder folder;
  for (const char* line : {"first", "second"}) {
    log_to_file(folder / "log.txt", LogLevel::info);
    log_info(line);
    stop_logging();
  }
  const Bytes bytes = read_file(folder / "log.txt");
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_LT(text.find("info first\n"), text.find("info second\n"));
  EXPECT_NE(text.find("info second\n"), std::string::npos);
}

TEST_F(Log, AFileThatCannotBeOpenedIsAnError) {
  test::expect_error([] { log_to_file("/proc/none/log.txt", LogLevel::info); },
                     {"/proc/none/log.txt", "check that its folder"});
}

TEST_F(Log, ThreadsMayLogWhileSinksChange) {
  std::atomic<int> heard{0};
  log_to_function(LogLevel::info, [&](LogLevel, std::string_view) { ++heard; });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([] {
      for (int i = 0; i < 200; ++i) log_info("line ", i);
    });
  }
  for (int i = 0; i < 20; ++i) log_to_function(LogLevel::error, [](LogLevel, std::string_view) {});
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heard, 800);
}

}  // namespace
}  // namespace adjoint
