// Which GPUs there are and which one this process uses. The runtime keeps a current device per
// thread; ours is one per process, and every thread that comes to a stream is bound to it.
#include <atomic>
#include <mutex>

#include "core/base/error.h"
#include "core/device/allocator.h"
#include "core/device/context.h"
#include "core/device/cuda/status.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::atomic<int> device_of_process{0};
thread_local int device_of_thread = -1;

std::mutex selecting;
int selections = 0;  // not released yet

/// None without a GPU or a driver: that is no error here.
int device_count() {
  int count = 0;
  if (cudaGetDeviceCount(&count) == cudaSuccess) return count;
  clear_cuda_error();
  return 0;
}

/// 13010 -> "13.1".
std::string version_text(int version) { return str(version / 1000, ".", version % 1000 / 10); }

}  // namespace

int select_device(int ordinal) {
  const int count = device_count();
  if (count == 0) {
    int unused = 0;
    check_cuda(cudaGetDeviceCount(&unused), "cudaGetDeviceCount");
  }
  ADJOINT_CHECK(ordinal >= 0 && ordinal < count, "Context: device ", ordinal,
                " was asked for; this machine has ", count, " (from 0)");
  const std::lock_guard lock(selecting);
  const int selected = device_of_process.load();
  ADJOINT_CHECK(selections == 0 || ordinal == selected, "Context: device ", ordinal,
                " was asked for while there are contexts on device ", selected,
                "; a process uses one device at a time, so end those or start another process");
  device_of_process.store(ordinal);
  bind_thread_to_device();
  ++selections;
  return ordinal;
}

void release_device() noexcept {
  const std::lock_guard lock(selecting);
  --selections;
}

void bind_thread_to_device() {
  const int device = device_of_process.load(std::memory_order_relaxed);
  if (device_of_thread == device) [[likely]]
    return;
  check_cuda(cudaSetDevice(device), "cudaSetDevice");
  device_of_thread = device;
}

DeviceCapacity device_capacity() {
  bind_thread_to_device();
  DeviceCapacity capacity;
  check_cuda(cudaMemGetInfo(&capacity.available, &capacity.total), "cudaMemGetInfo");
  return capacity;
}

std::vector<DeviceInfo> devices() {
  std::vector<DeviceInfo> found;
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess) clear_cuda_error();
  for (int i = 0; i < device_count(); ++i) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) {
      clear_cuda_error();
      continue;
    }
    found.push_back({.name = properties.name,
                     .memory_bytes = properties.totalGlobalMem,
                     .compute_units = properties.multiProcessorCount,
                     .details = str("compute capability ", properties.major, ".", properties.minor,
                                    ", driver for CUDA ", version_text(driver))});
  }
  return found;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
