// Where the files lie that tests read: the source tree they were built from, or the folder that
// ADJOINT_SOURCE names, where programs were carried to another machine (tools/gpu_node).
#pragma once

#include <cstdlib>
#include <filesystem>

namespace adjoint {

inline std::filesystem::path source_folder() {
  const char* const carried = std::getenv("ADJOINT_SOURCE");
  return carried != nullptr && *carried != '\0' ? carried : ADJOINT_SOURCE_DIR;
}

}  // namespace adjoint
