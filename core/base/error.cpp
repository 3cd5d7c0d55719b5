#include "core/base/error.h"

namespace adjoint {
namespace {

/// Messages quote files of strangers, whose control characters must not reach a terminal.
std::string printable(std::string text) {
  for (char& c : text) {
    const auto code = static_cast<unsigned char>(c);
    if ((code < 0x20 && c != '\n' && c != '\t') || code == 0x7f) c = '?';
  }
  return text;
}

}  // namespace

Error::Error(const std::string& message, SourceLocation where)
    : std::runtime_error(str(printable(message), " [", where.file, ":", where.line, "]")),
      message_(printable(message)),
      where_(where) {}

}  // namespace adjoint
