// Fibers: stacks that can be left in the middle of a function and returned to. Each suspended CUDA
// thread keeps one. Switching is Boost.Context's fcontext, with our own annotations, because its
// public `fiber` has none unless Boost is built for it: AddressSanitizer is told which stack is in
// use, ThreadSanitizer that each fiber is a thread of its own.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <vector>

#include "core/device/host/language.h"
#include "core/device/host/vector_types.h"

#if ADJOINT_ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#if ADJOINT_TSAN
extern "C" {
void* __tsan_get_current_fiber(void);
void* __tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void* fiber);
void __tsan_switch_to_fiber(void* fiber, unsigned flags);
void __tsan_acquire(void* object);
void __tsan_release(void* object);
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
void AnnotateIgnoreWritesBegin(const char* file, int line);
void AnnotateIgnoreWritesEnd(const char* file, int line);
}
#endif

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Fiber {
  void* context = nullptr;  ///< where it was left
  const char* stack = nullptr;
  std::size_t stack_bytes = 0;
  void* fake_stack = nullptr;  ///< AddressSanitizer's, while the fiber is left
  void* tsan_fiber = nullptr;  ///< ThreadSanitizer's name for it
  bool started = false;        ///< has run a CUDA thread of this block (ThreadSanitizer: one each)

  // The CUDA thread suspended on it, and the list it waits in.
  Fiber* next = nullptr;
  uint3 thread{};
  unsigned linear = 0;
};

/// Whoever is arrived at notes where the fiber that left can be continued.
inline void note_arrival(boost::context::detail::transfer_t transfer) {
  static_cast<Fiber*>(transfer.data)->context = transfer.fctx;
}

/// Leaves `from`, which is running, and continues `to`. Returns when something switches back.
__forceinline__ void switch_fiber(Fiber& from, Fiber& to) {
#if ADJOINT_ASAN
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
#if ADJOINT_TSAN
  __tsan_switch_to_fiber(to.tsan_fiber,
                         1);  // 1: without a happens-before edge, which only barriers give
#endif
  note_arrival(boost::context::detail::jump_fcontext(to.context, &from));
#if ADJOINT_ASAN
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

/// Describes the calling CPU thread's own stack.
void adopt_thread(Fiber& fiber);

/// A worker's fibers, side by side in one mapping with a guard page below each.
class FiberPool {
 public:
  /// `entry` is called, once and never to return, on each fiber that is switched to for the first
  /// time.
  explicit FiberPool(void (*entry)()) : entry_(entry) {}
  ~FiberPool();
  FiberPool(const FiberPool&) = delete;
  FiberPool& operator=(const FiberPool&) = delete;

  /// At least this many fibers, all at their entry if there were fewer before. None may be running.
  void reserve(unsigned count);
  /// Forgets what the fibers are in the middle of.
  void reset();

  unsigned size() const { return unsigned(fibers_.size()); }
  Fiber& operator[](unsigned i) { return fibers_[i]; }

 private:
  void release();

  void (*entry_)();
  std::vector<Fiber> fibers_;
  void* mapping_ = nullptr;
  std::size_t mapping_bytes_ = 0;
};

// Happens-before edges and silence for ThreadSanitizer; nothing without it.
#if ADJOINT_TSAN
inline void tsan_acquire(void* object) { __tsan_acquire(object); }
inline void tsan_release(void* object) { __tsan_release(object); }
/// The engine's memcpy and malloc are seen even though its files are not instrumented. Memory
/// allocated in here starts without a past.
struct TsanIgnore {
  TsanIgnore() {
    AnnotateIgnoreReadsBegin("", 0);
    AnnotateIgnoreWritesBegin("", 0);
  }
  ~TsanIgnore() {
    AnnotateIgnoreWritesEnd("", 0);
    AnnotateIgnoreReadsEnd("", 0);
  }
};
#else
inline void tsan_acquire(void*) {}
inline void tsan_release(void*) {}
struct TsanIgnore {
  TsanIgnore() {}  // NOLINT(modernize-use-equals-default): an unused variable is no warning
};
#endif

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
