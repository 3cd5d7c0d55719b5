// Device memory of checking builds; see device_access.h.
#pragma once

#include <cstddef>

#include "core/device/host/device_access.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

#ifdef ADJOINT_CHECKED
/// 256-byte aligned, red zones on both sides; null if the range of addresses is used up.
void* allocate_checked(std::size_t bytes);
void release_checked(void* data, std::size_t bytes) noexcept;
#endif

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
