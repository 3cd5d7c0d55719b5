// The shape of a kernel launch: how many blocks, how many threads in each, how much dynamic shared
// memory. Extents are signed 64-bit so that a launcher may compute them without casts and an
// overflow is an error that names the kernel, not a grid that is silently too small.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace adjoint {

/// Extents along x, y and z; a plain number is an extent along x.
struct Extent {
  std::int64_t x = 1, y = 1, z = 1;

  constexpr Extent(std::int64_t x = 1, std::int64_t y = 1, std::int64_t z = 1) : x(x), y(y), z(z) {}
  constexpr std::int64_t count() const { return x * y * z; }
};

/// The sizes of block that a kernel is launched with, as launch()'s second template argument, so
/// that the host compiles no loop that would hardly ever run. It changes no result.
enum class Blocks {
  preferred,  ///< preferred_block(): one thread, or the GPU's size, in which only checks run
  fixed,      ///< one size everywhere, which is to be fast on the host as well
  many        ///< more than one thread, in which only checks run
};

struct LaunchShape {
  Extent grid = {};              ///< blocks; any extent of 0 launches nothing
  Extent block = {};             ///< threads of a block
  std::size_t shared_bytes = 0;  ///< dynamic shared memory of a block
};

// Limits of compute capability 9.0 (CUDA programming guide, "Technical Specifications per Compute
// Capability"); the host backend holds to them so that what runs there also launches on a GPU.
inline constexpr std::int64_t kMaxGridX = (std::int64_t{1} << 31) - 1;
inline constexpr std::int64_t kMaxGridYZ = 65535;
inline constexpr std::int64_t kMaxBlockThreads = 1024;
inline constexpr std::int64_t kMaxBlockZ = 64;
inline constexpr std::size_t kStaticSharedBytes = 48 * 1024;
inline constexpr std::size_t kMaxSharedBytes = 227 * 1024;  ///< with the opt-in that launch() makes

/// Whether there is anything to launch. Throws Error naming the kernel if a limit is passed.
bool check_launch(const LaunchShape& shape, std::string_view kernel);

/// The shortest name of a kernel a human would recognise, from what the compiler calls it:
/// "auto Kernel = adjoint::host::{anonymous}::relu_forward<float>" becomes "relu_forward<float>".
std::string_view tidy_kernel_name(const char* pretty_function);

}  // namespace adjoint
