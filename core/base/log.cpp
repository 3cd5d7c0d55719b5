#include "core/base/log.h"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

namespace adjoint {
namespace {

constexpr int kSilent = 100;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return spdlog::level::debug;
    case LogLevel::info:
      return spdlog::level::info;
    case LogLevel::warning:
      return spdlog::level::warn;
    case LogLevel::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

LogLevel our_level(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::debug;
  if (level == spdlog::level::info) return LogLevel::info;
  if (level == spdlog::level::warn) return LogLevel::warning;
  return LogLevel::error;
}

class FunctionSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FunctionSink(std::function<void(LogLevel, std::string_view)> function)
      : function_(std::move(function)) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    function_(our_level(message.level), {message.payload.data(), message.payload.size()});
  }
  void flush_() override {}

  std::function<void(LogLevel, std::string_view)> function_;
};

/// The sinks of the process. spdlog's logger must not be changed while it is used, so each change
/// makes a new one and threads that are logging keep the one they hold.
struct Log {
  std::mutex mutex;
  std::vector<spdlog::sink_ptr> sinks;
  std::shared_ptr<spdlog::logger> logger;
  std::atomic<int> least{kSilent};

  void rebuild() {
    int lowest = kSilent;
    for (const auto& sink : sinks) lowest = std::min<int>(lowest, our_level_number(sink->level()));
    logger = sinks.empty()
                 ? nullptr
                 : std::make_shared<spdlog::logger>("adjoint", sinks.begin(), sinks.end());
    if (logger) {
      logger->set_level(spdlog::level::trace);
      logger->flush_on(spdlog::level::trace);
      // Nothing is printed behind a program's back, also not about a sink that failed.
      logger->set_error_handler([](const std::string&) {});
    }
    least.store(lowest);
  }

  static int our_level_number(spdlog::level::level_enum level) {
    return static_cast<int>(our_level(level));
  }
};

Log& the_log() {
  // Never destroyed: static objects may still log when the process ends.
  static Log* log = new Log;
  return *log;
}

void add(spdlog::sink_ptr sink, LogLevel level, const char* pattern) {
  sink->set_level(spdlog_level(level));
  sink->set_pattern(pattern);
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.sinks.push_back(std::move(sink));
  log.rebuild();
}

}  // namespace

void log_to_stderr(LogLevel level) {
  add(std::make_shared<spdlog::sinks::stderr_sink_mt>(), level, "%v");
}

void log_to_file(const std::filesystem::path& path, LogLevel level) {
  try {
    add(std::make_shared<spdlog::sinks::basic_file_sink_mt>(path.string()), level,
        "%Y-%m-%d %H:%M:%S.%e %l %v");
  } catch (const spdlog::spdlog_ex& error) {
    ADJOINT_FAIL("cannot write the log '", path.string(), "': ", error.what(),
                 "; check that its folder exists and may be written to");
  }
}

void log_to_function(LogLevel level, std::function<void(LogLevel, std::string_view)> function) {
  add(std::make_shared<FunctionSink>(std::move(function)), level, "%v");
}

void stop_logging() {
  Log& log = the_log();
  const std::lock_guard lock(log.mutex);
  log.sinks.clear();
  log.rebuild();
}

bool logs(LogLevel level) {
  return static_cast<int>(level) >= the_log().least.load(std::memory_order_relaxed);
}

void log_message(LogLevel level, std::string_view message) {
  Log& log = the_log();
  std::shared_ptr<spdlog::logger> logger;
  {
    const std::lock_guard lock(log.mutex);
    logger = log.logger;
  }
  if (logger)
    logger->log(spdlog_level(level), spdlog::string_view_t(message.data(), message.size()));
}

}  // namespace adjoint
