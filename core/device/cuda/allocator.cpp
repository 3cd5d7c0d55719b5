// Device memory of the cuda backend: cudaMalloc and cudaFree, because buffers are few and live
// long.
#include "core/device/allocator.h"

#include <cstring>
#include <mutex>
#include <vector>

#include "core/device/counters.h"
#include "core/device/cuda/status.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// cudaFree would break a capture of the calling thread; what is released then waits here.
struct Kept {
  std::mutex mutex;
  std::vector<void*> device;
  std::vector<void*> pinned;
};

Kept& kept() {
  static auto* const kept = new Kept();  // outlives the buffers of static objects
  return *kept;
}

/// Called outside captures only. Errors of earlier kernels turn up here too; synchronize() reports
/// them.
void free_kept() noexcept {
  const std::lock_guard lock(kept().mutex);
  for (void* data : kept().device) {
    if (cudaFree(data) != cudaSuccess) clear_cuda_error();
  }
  for (void* data : kept().pinned) {
    if (cudaFreeHost(data) != cudaSuccess) clear_cuda_error();
  }
  kept().device.clear();
  kept().pinned.clear();
}

void release(std::vector<void*>& list, void* data) noexcept {
  count(atomic_counters.synchronizations);
  {
    const std::lock_guard lock(kept().mutex);
    list.push_back(data);
  }
  if (!this_thread_captures()) free_kept();
}

/// Null for want of memory, which the caller explains; throws for everything else.
void* pointer_or_null(cudaError_t status, void* data, const char* call) {
  if (status == cudaErrorMemoryAllocation) {
    clear_cuda_error();
    return nullptr;
  }
  check_cuda(status, call);
  return data;
}

}  // namespace

void* allocate_device_memory(std::size_t bytes) {
  bind_thread_to_device();
  free_kept();
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  data = pointer_or_null(status, data, "cudaMalloc");
#ifdef ADJOINT_CHECKED
  if (data != nullptr) {
    check_cuda(cudaMemset(data, 0xff, bytes), "cudaMemset");
    // Our streams do not wait for the default stream.
    check_cuda(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
  }
#endif
  return data;
}

void release_device_memory(void* data, std::size_t) noexcept { release(kept().device, data); }

void* allocate_pinned_memory(std::size_t bytes) {
  bind_thread_to_device();
  free_kept();
  void* data = nullptr;
  // Mapped: kernels write metrics into it. With unified addressing one pointer serves both sides.
  const cudaError_t status =
      cudaHostAlloc(&data, bytes, cudaHostAllocMapped | cudaHostAllocPortable);
  data = pointer_or_null(status, data, "cudaHostAlloc");
  if (data != nullptr) std::memset(data, 0, bytes);
  return data;
}

void release_pinned_memory(void* data, std::size_t) noexcept { release(kept().pinned, data); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
