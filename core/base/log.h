// The log. The library writes here what happened (an engine was chosen, a file was saved); nothing
// is shown unless a program adds a sink, so the library itself stays silent. spdlog stands behind
// it, in the .cpp only: nvcc does not accept its headers in C++20.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace adjoint {

enum class LogLevel { debug, info, warning, error };

/// Messages of `level` and above go to standard error, one line each, without time.
void log_to_stderr(LogLevel level);

/// Messages of `level` and above are appended to the file, with time and level, flushed line by
/// line. Throws Error where it cannot be opened; a line lost to a full disk later is not an error.
void log_to_file(const std::filesystem::path& path, LogLevel level);

/// Messages of `level` and above go to `function`, one call at a time, from the thread that logs:
/// for programs that draw a progress bar between the lines, and for tests. It must not log itself.
void log_to_function(LogLevel level, std::function<void(LogLevel, std::string_view)> function);

/// Removes all sinks, flushing and closing files.
void stop_logging();

/// Whether a sink wants messages of this level; one atomic load.
bool logs(LogLevel level);

void log_message(LogLevel level, std::string_view message);

/// log_info("saved ", path): the parts are joined only where a sink wants them.
template <class... Parts>
void log_debug(const Parts&... parts) {
  if (logs(LogLevel::debug)) log_message(LogLevel::debug, str(parts...));
}
template <class... Parts>
void log_info(const Parts&... parts) {
  if (logs(LogLevel::info)) log_message(LogLevel::info, str(parts...));
}
template <class... Parts>
void log_warning(const Parts&... parts) {
  if (logs(LogLevel::warning)) log_message(LogLevel::warning, str(parts...));
}
template <class... Parts>
void log_error(const Parts&... parts) {
  if (logs(LogLevel::error)) log_message(LogLevel::error, str(parts...));
}

}  // namespace adjoint
