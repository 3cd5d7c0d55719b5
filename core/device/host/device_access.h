// Who may touch device memory: work on streams, and nobody else. In checking builds all device
// memory of the host backend lies in one reserved range of addresses without access rights, which
// running work opens; a host that reads or writes a device pointer directly, which would crash or
// be wrong with a GPU, dies with a message. In other builds this costs nothing.
#pragma once

namespace adjoint {
inline namespace ADJOINT_BACKEND {

#ifdef ADJOINT_CHECKED
/// Device memory is open to the whole process while any of these lives. Safe to use from several
/// threads.
class DeviceAccess {
 public:
  DeviceAccess();
  ~DeviceAccess();
  DeviceAccess(const DeviceAccess&) = delete;
  DeviceAccess& operator=(const DeviceAccess&) = delete;
};
#else
class DeviceAccess {
 public:
  // User-provided, so that an unused variable is no warning.
  DeviceAccess() {}   // NOLINT(modernize-use-equals-default)
  ~DeviceAccess() {}  // NOLINT(modernize-use-equals-default)
};
#endif

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
