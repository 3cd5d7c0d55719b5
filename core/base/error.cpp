#include "core/base/error.h"

namespace adjoint {

Error::Error(const std::string& message, SourceLocation where)
    : std::runtime_error(str(message, " [", where.file, ":", where.line, "]")),
      message_(message),
      where_(where) {}

}  // namespace adjoint
