// Shared memory of a block. Static variables live in an arena of the worker, declared by a macro:
// `static thread_local` ones would get no red zones from AddressSanitizer, no size check, and tens
// of KiB of thread-local storage make a shared library impossible to load at run time.
#pragma once

#include <cstddef>

#include "core/device/host/language.h"
#include "core/device/host/thread_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Memory of a static shared variable the first time the block comes to its declaration. Throws
/// Error if the block's static variables pass 48 KiB.
void* add_shared_variable(const void* declaration, std::size_t bytes, std::size_t alignment);

/// `Declaration` is a type of its own for each declaration in the source.
template <class T, class Declaration>
__forceinline__ T& shared_variable() {
  static const char declaration = 0;
  const ThreadState& state = thread_state;
  for (unsigned i = 0; i < state.shared_variables; ++i)
    if (state.shared_variable[i].declaration == &declaration)
      return *static_cast<T*>(state.shared_variable[i].data);
  return *static_cast<T*>(
      add_shared_variable(&declaration, sizeof(T), alignof(T) < 16 ? 16 : alignof(T)));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#define ADJOINT_SHARED(type, name, extents) \
  typedef type name##_shared_type extents;  \
  auto& name = ::adjoint::shared_variable<name##_shared_type, decltype([] {})>()
#define ADJOINT_DYNAMIC_SHARED(type, name) \
  type* const name = static_cast<type*>(::adjoint::thread_state.dynamic_shared)
