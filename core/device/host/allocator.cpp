// Device memory of the host backend. Programs: ordinary memory, large buffers on huge pages, zero
// pages made as they are first touched. Checking builds: see device_access.h and
// checked_memory.cpp.
#include "core/device/allocator.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>

#include "core/device/counters.h"
#include "core/device/host/checked_memory.h"
#include "core/device/host/queue.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::size_t kAlignment = 256;
constexpr std::size_t kHugePage = std::size_t(2) << 20;

std::size_t round_up(std::size_t bytes, std::size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

/// Aligned to huge pages if it is large. Fresh pages are zero; small blocks are what malloc gives.
void* allocate_aligned(std::size_t bytes) {
  const std::size_t alignment = bytes >= 2 * kHugePage ? kHugePage : kAlignment;
  void* data = std::aligned_alloc(alignment, round_up(bytes, alignment));
  // Advice only: without huge pages everything works, more slowly.
  if (data != nullptr && alignment == kHugePage) {
    madvise(data, round_up(bytes, alignment), MADV_HUGEPAGE);
  }
  return data;
}

}  // namespace

void* allocate_device_memory(std::size_t bytes) {
  // Memory is promised before it is touched, so that without this check the system would end the
  // process in the middle of a step instead. Small buffers are not worth the question.
  constexpr std::size_t kWorthAsking = std::size_t(16) << 20;
  if (bytes >= kWorthAsking && bytes > device_capacity().available) return nullptr;
#ifdef ADJOINT_CHECKED
  void* data = allocate_checked(bytes);
  if (data == nullptr) return nullptr;
  const DeviceAccess access;
  std::memset(data, 0xff, bytes);
  return data;
#else
  return allocate_aligned(bytes);
#endif
}

void release_device_memory(void* data, std::size_t bytes) noexcept {
  count(atomic_counters.synchronizations);
  wait_for_all_streams();
#ifdef ADJOINT_CHECKED
  release_checked(data, bytes);
#else
  static_cast<void>(bytes);
  std::free(data);
#endif
}

void* allocate_pinned_memory(std::size_t bytes) {
  void* data = allocate_aligned(bytes);
  if (data != nullptr) std::memset(data, 0, bytes);
  return data;
}

void release_pinned_memory(void* data, std::size_t) noexcept {
  count(atomic_counters.synchronizations);
  wait_for_all_streams();
  std::free(data);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
