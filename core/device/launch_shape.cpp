#include "core/device/launch_shape.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <string>

#include "core/base/error.h"

namespace adjoint {

bool check_launch(const LaunchShape& shape, std::string_view kernel) {
  const auto& [grid, block, shared_bytes] = shape;
  const auto shown = [](const Extent& e) { return str("(", e.x, ", ", e.y, ", ", e.z, ")"); };
  ADJOINT_CHECK(grid.x >= 0 && grid.y >= 0 && grid.z >= 0, "kernel ", kernel,
                ": expected a grid without negative extents, got ", shown(grid));
  ADJOINT_CHECK(grid.x <= kMaxGridX && grid.y <= kMaxGridYZ && grid.z <= kMaxGridYZ, "kernel ",
                kernel, ": expected a grid of at most (", kMaxGridX, ", ", kMaxGridYZ, ", ",
                kMaxGridYZ, ") blocks, got ", shown(grid),
                "; put the largest extent on x or loop in the kernel");
  ADJOINT_CHECK(block.x >= 1 && block.y >= 1 && block.z >= 1, "kernel ", kernel,
                ": expected a block of at least one thread, got ", shown(block));
  ADJOINT_CHECK(block.x <= kMaxBlockThreads && block.y <= kMaxBlockThreads &&
                    block.z <= kMaxBlockZ && block.count() <= kMaxBlockThreads,
                "kernel ", kernel, ": expected a block of at most ", kMaxBlockThreads,
                " threads and ", kMaxBlockZ, " along z, got ", shown(block));
  ADJOINT_CHECK(shared_bytes <= kMaxSharedBytes, "kernel ", kernel, ": expected at most ",
                kMaxSharedBytes, " bytes of dynamic shared memory, got ", shared_bytes);
  return grid.x != 0 && grid.y != 0 && grid.z != 0;
}

std::string_view tidy_kernel_name(const char* pretty_function) {
  std::string name = pretty_function;
  if (const auto start = name.find("Kernel = "); start != std::string::npos) {
    name.erase(0, start + std::strlen("Kernel = "));
    name.erase(std::min(name.find(';'), name.rfind(']')));
  }
  // Nvcc's name of an unnamed namespace: _GLOBAL__N__1a2b3c4d_8_scale_cu_5e6f::
  for (auto at = name.find("_GLOBAL__N__"); at != std::string::npos;
       at = name.find("_GLOBAL__N__", at))
    name.erase(at, name.find("::", at) + 2 - at);
  for (const char* noise : {"& ", "&", "{anonymous}::", "(anonymous namespace)::", "<unnamed>::",
                            "adjoint::", "host::", "cuda::"})
    for (auto at = name.find(noise); at != std::string::npos; at = name.find(noise))
      name.erase(at, std::strlen(noise));
  // Names outlive every queue and log that shows them.
  static std::mutex mutex;
  static auto* names = new std::set<std::string>;
  std::lock_guard lock(mutex);
  return *names->insert(std::move(name)).first;
}

}  // namespace adjoint
