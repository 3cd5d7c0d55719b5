// Where memory comes from: the part of core/device/memory.h that each backend writes for itself.
// The ledger and the handles above it are common.
#pragma once

#include <cstddef>
#include <memory>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Makes the device the one that this process uses and returns its ordinal; throws Error if there
/// is no such device, saying which there are, or if another one is selected and not released.
int select_device(int ordinal);
/// Once for each select_device(); after the last another device may be selected.
void release_device() noexcept;

/// Bytes of device memory that the next allocation could have at most, and that the device has in
/// all.
struct DeviceCapacity {
  std::size_t available = 0;
  std::size_t total = 0;
};
DeviceCapacity device_capacity();

/// Device memory, 256-byte aligned; null if there is not enough. In checking builds filled with
/// 0xff.
void* allocate_device_memory(std::size_t bytes);
/// Waits until no stream can still use it. During a capture of the calling thread, which forbids
/// waiting, the memory is kept until that is possible.
void release_device_memory(void* data, std::size_t bytes) noexcept;

/// Page-locked host memory filled with zeros; null if there is not enough.
void* allocate_pinned_memory(std::size_t bytes);
void release_pinned_memory(void* data, std::size_t bytes) noexcept;

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
