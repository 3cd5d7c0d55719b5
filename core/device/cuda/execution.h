// The execution model under nvcc: CUDA itself, launched by launch<kernel>() as on the host.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include "core/base/error.h"
#include "core/device/launch_shape.h"
#include "core/device/stream.h"

#define ADJOINT_DEVICE __device__ __forceinline__
#define ADJOINT_GPU_FORM ADJOINT_DEVICE
#define ADJOINT_UNROLL _Pragma("unroll")
#define ADJOINT_SIMD _Pragma("unroll")
#define ADJOINT_SIMD_SUM(...)
#define ADJOINT_SIMD_MAX(...)
#define ADJOINT_SHARED(type, name, extents) __shared__ type name extents
// One untyped array per translation unit: `extern __shared__ T x[]` clashes between instantiations.
#define ADJOINT_DYNAMIC_SHARED(type, name)                                \
  extern __shared__ __align__(16) unsigned char adjoint_dynamic_shared[]; \
  type* const name = reinterpret_cast<type*>(adjoint_dynamic_shared)

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Puts one launch on the stream and counts it; throws Error naming the kernel.
void launch_cuda_kernel(Stream& stream, const void* kernel, std::string_view name,
                        const LaunchShape& shape, void** arguments);

template <auto Kernel>
std::string_view kernel_name() {
  static const std::string_view name = tidy_kernel_name(__PRETTY_FUNCTION__);
  return name;
}

template <auto Kernel, class... Parameters, class... Arguments>
void launch_with(void (*)(Parameters...), Stream& stream, const LaunchShape& shape,
                 Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "wrong number of kernel arguments");
  std::tuple<std::remove_cv_t<Parameters>...> values(std::forward<Arguments>(arguments)...);
  std::apply(
      [&](auto&... value) {
        std::array<void*, sizeof...(Parameters) + 1> pointers{
            const_cast<void*>(static_cast<const void*>(&value))..., nullptr};
        launch_cuda_kernel(stream, reinterpret_cast<const void*>(Kernel), kernel_name<Kernel>(),
                           shape, pointers.data());
      },
      values);
}

/// Launches the kernel on the stream with its arguments as they are now. An empty grid launches
/// nothing. (Blocks is for the host.)
template <auto Kernel, Blocks = Blocks::preferred, class... Arguments>
void launch(Stream& stream, const LaunchShape& shape, Arguments&&... arguments) {
  launch_with<Kernel>(Kernel, stream, shape, std::forward<Arguments>(arguments)...);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
