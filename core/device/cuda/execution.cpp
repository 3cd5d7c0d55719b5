// Launches on the CUDA runtime.
#include <cuda_runtime_api.h>

#include <mutex>
#include <string>
#include <unordered_map>

#include "core/device/counters.h"
#include "core/device/cuda/status.h"
#include "core/device/execution_options.h"
#include "core/device/launch_shape.h"
#include "core/device/stream.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// More than 48 KiB of dynamic shared memory must be asked for, once for each kernel and larger
// amount.
void allow_shared_memory(const void* kernel, std::size_t bytes) {
  static std::mutex mutex;
  static auto* allowed = new std::unordered_map<const void*, std::size_t>;
  std::lock_guard lock(mutex);
  std::size_t& most = (*allowed)[kernel];
  if (bytes <= most) return;
  check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int(bytes)),
             "cudaFuncSetAttribute");
  most = bytes;
}

dim3 to_dim3(const Extent& extent) {
  return dim3(unsigned(extent.x), unsigned(extent.y), unsigned(extent.z));
}

}  // namespace

// Declared in execution.h, which only nvcc can read.
void launch_cuda_kernel(Stream& stream, const void* kernel, std::string_view name,
                        const LaunchShape& shape, void** arguments);

void launch_cuda_kernel(Stream& stream, const void* kernel, std::string_view name,
                        const LaunchShape& shape, void** arguments) {
  if (!check_launch(shape, name)) return;
  bind_thread_to_device();
  if (shape.shared_bytes > kStaticSharedBytes) allow_shared_memory(kernel, shape.shared_bytes);
  const cudaError_t status =
      cudaLaunchKernel(kernel, to_dim3(shape.grid), to_dim3(shape.block), arguments,
                       shape.shared_bytes, static_cast<cudaStream_t>(stream.native()));
  if (status != cudaSuccess) [[unlikely]]
    check_cuda(status, str("cudaLaunchKernel of ", name).c_str());
  if (!stream.capturing()) count(atomic_counters.launches);
}

bool gpu_blocks() { return true; }
void set_gpu_blocks(bool) {}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
