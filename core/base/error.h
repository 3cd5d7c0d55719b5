// Errors. Every check of input throws adjoint::Error with the place it was made at; the library
// never calls exit() and never prints. A message says what was expected, what was found and what to
// do.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>

namespace adjoint {

/// Where a call stands in the source. clang 14 has no std::source_location, hence the builtins.
struct SourceLocation {
  const char* file = "";
  int line = 0;

  static constexpr SourceLocation current(const char* file = __builtin_FILE(),
                                          int line = __builtin_LINE()) {
    return {file, line};
  }
};

/// What the library throws. `what()` is the message followed by the place in brackets; `message()`
/// is the message alone, which programs show to their users.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, SourceLocation where = SourceLocation::current());

  const std::string& message() const { return message_; }
  SourceLocation where() const { return where_; }

 private:
  std::string message_;
  SourceLocation where_;
};

/// Joins its arguments as `operator<<` writes them: str("got ", 3, " rows").
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws Error(str(parts...)) from the place of the call.
#define ADJOINT_FAIL(...) throw ::adjoint::Error(::adjoint::str(__VA_ARGS__))

/// ADJOINT_CHECK(condition, parts...): throws Error(str(parts...)) unless the condition holds.
/// Active in all builds; the message is built only when it is needed, hence a macro.
#define ADJOINT_CHECK(condition, ...) \
  do {                                \
    if (!(condition)) [[unlikely]]    \
      ADJOINT_FAIL(__VA_ARGS__);      \
  } while (false)

}  // namespace adjoint
