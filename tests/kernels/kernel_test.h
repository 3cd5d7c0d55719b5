// What the tests of kernels share: every case runs for each floating type, at one thread per block
// and at the GPU's block shape, on aligned and on unaligned memory; and again with another number
// of workers, where the bits must be the same.
#pragma once

#include <cstring>
#include <memory>
#include <utility>

#include "core/device/execution_options.h"
#include "support/backend.h"
#include "support/reference.h"

#include "kernels/dispatch.h"

// 1 if this is the host backend.
#define ADJOINT_IS_HOST_(backend) ADJOINT_IS_##backend
#define ADJOINT_IS_HOST(backend) ADJOINT_IS_HOST_(backend)
#define ADJOINT_IS_host 1
#define ADJOINT_IS_cuda 0
#if ADJOINT_IS_HOST(ADJOINT_BACKEND)
#include "core/device/host/workers.h"
#endif

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// How one run of a case goes.
struct Variant {
  bool gpu_blocks = true;
  std::size_t offset = 0;  ///< elements behind an aligned address
};

/// Calls body(variant) for both block shapes, on aligned and unaligned memory.
template <class Body>
void for_each_variant(const Body& body) {
  for (bool gpu : {true, false})
    for (std::size_t offset : {0, 1}) {
      GpuBlocks blocks(gpu);
      SCOPED_TRACE(str(gpu ? "GPU blocks" : "one thread per block", ", offset ", offset));
      body(Variant{gpu, offset});
    }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() ||
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;  // no null to memcmp
}

/// The result of run() with this many workers of the host's pool.
template <class Run>
auto with_workers([[maybe_unused]] int count, const Run& run) {
#if ADJOINT_IS_HOST(ADJOINT_BACKEND)
  struct Restore {
    int before = workers();
    ~Restore() { set_workers(before); }
  } restore;
  set_workers(count);
#endif
  return run();
}

/// Rows and columns for normalisations: each form of Row (kernels/row.h), in packs of 16 bits and
/// of 32, and rows that are no packs.
inline constexpr std::pair<int, int> kNormShapes[] = {{0, 8},    {1, 1},     {3, 5},     {40, 64},
                                                      {2, 769},  {19, 768},  {1, 2048},  {2, 4100},
                                                      {1, 8200}, {1, 16392}, {1, 20000}, {600, 24}};

/// Makes the context only where there is a device, so that the test skips instead of failing to be
/// made.
template <class T>
class KernelTest : public DeviceTest {
  std::unique_ptr<Context> made_ = has_device() ? std::make_unique<Context>() : nullptr;

 protected:
  Context& context{*made_};
};

using FloatingTypes = ::testing::Types<float, double, bfloat16, float16>;

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
