#include "core/device/host/fibers.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/error.h"

#if ADJOINT_ASAN
#include <sanitizer/asan_interface.h>
#endif

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using boost::context::detail::make_fcontext;
using boost::context::detail::transfer_t;

// Kernels keep little on the stack; sanitizers add frames and red zones.
constexpr std::size_t kStackBytes = (ADJOINT_ASAN || ADJOINT_TSAN ? 256 : 64) * 1024;

// Hot ends of stacks at equal offsets of a power of two would fall into the same cache sets: the
// guard page and this many different offsets spread them.
constexpr std::size_t kColours = 61;
constexpr std::size_t kCacheLine = 64;

thread_local void (*entry_of_thread)() = nullptr;

void begin_fiber(transfer_t transfer) {
  note_arrival(transfer);
#if ADJOINT_ASAN
  __sanitizer_finish_switch_fiber(nullptr, nullptr, nullptr);
#endif
  entry_of_thread();
}

}  // namespace

void adopt_thread(Fiber& fiber) {
#if ADJOINT_ASAN
  if (!fiber.stack) {
    pthread_attr_t attributes;
    void* low = nullptr;
    pthread_getattr_np(pthread_self(), &attributes);
    pthread_attr_getstack(&attributes, &low, &fiber.stack_bytes);
    pthread_attr_destroy(&attributes);
    fiber.stack = static_cast<const char*>(low);
  }
#endif
#if ADJOINT_TSAN
  fiber.tsan_fiber = __tsan_get_current_fiber();
#endif
  (void)fiber;
}

FiberPool::~FiberPool() { release(); }

void FiberPool::release() {
#if ADJOINT_TSAN
  for (Fiber& fiber : fibers_)
    if (fiber.tsan_fiber) __tsan_destroy_fiber(fiber.tsan_fiber);
#endif
#if ADJOINT_ASAN
  if (mapping_) ASAN_UNPOISON_MEMORY_REGION(mapping_, mapping_bytes_);
#endif
  fibers_.clear();
  if (mapping_) munmap(mapping_, mapping_bytes_);
  mapping_ = nullptr;
}

void FiberPool::reserve(unsigned count) {
  if (size() >= count) return;
  release();
  const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE)), stride = kStackBytes + page;
  mapping_bytes_ = stride * count + page;
  void* const mapping = mmap(nullptr, mapping_bytes_, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  ADJOINT_CHECK(mapping != MAP_FAILED, "host execution: cannot map ", mapping_bytes_,
                " bytes of stacks for suspended threads");
  mapping_ = mapping;
  char* const base = static_cast<char*>(mapping);
  for (unsigned i = 0; i <= count; ++i) mprotect(base + i * stride, page, PROT_NONE);
  fibers_.resize(count);
  for (unsigned i = 0; i < count; ++i) {
    fibers_[i].stack = base + i * stride + page;
    fibers_[i].stack_bytes = kStackBytes;
  }
  reset();
}

void FiberPool::reset() {
  entry_of_thread = entry_;
  for (unsigned i = 0; i < size(); ++i) {
    Fiber& fiber = fibers_[i];
#if ADJOINT_ASAN
    ASAN_UNPOISON_MEMORY_REGION(fiber.stack, fiber.stack_bytes);
    fiber.fake_stack = nullptr;
#endif
#if ADJOINT_TSAN
    if (fiber.tsan_fiber) __tsan_destroy_fiber(fiber.tsan_fiber);
    fiber.tsan_fiber = __tsan_create_fiber(0);
#endif
    const std::size_t colour = (i % kColours) * kCacheLine;
    char* const top = const_cast<char*>(fiber.stack) + kStackBytes - colour;
    fiber.context = make_fcontext(top, kStackBytes - colour, &begin_fiber);
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
