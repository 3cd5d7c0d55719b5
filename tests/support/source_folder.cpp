#include "support/source_folder.h"

#include <cstdlib>

namespace adjoint {
namespace {

std::filesystem::path named(const char* variable, const char* otherwise) {
  const char* const value = std::getenv(variable);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

}  // namespace

std::filesystem::path source_folder() { return named("ADJOINT_SOURCE", ADJOINT_SOURCE_DIR); }

std::filesystem::path data_folder() { return named("ADJOINT_DATA", ADJOINT_DEFAULT_DATA); }

}  // namespace adjoint
