// The worker pool of the host: one set of threads for kernels, matrix products and copies, so that
// they do not compete. Results never depend on how many workers there are: callers cut work by
// shape, not by workers.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// How many threads work on a parallel_for, its caller included. ADJOINT_WORKERS at start, else the
/// number of hardware threads.
int workers();

/// Changes it, stopping the pool's threads first; they start again when needed. Not from inside
/// parallel_for.
void set_workers(int count);

/// Calls call(body, i) for each i in [0, count).
void parallel_for_erased(std::int64_t count, void* body,
                         void (*call)(void* body, std::int64_t index));

/// Calls body(i) for each i in [0, count), in any order, on the workers and the calling thread, and
/// returns when all are done. If a call throws, no further ones are started, and the first
/// exception is thrown here. Calls from inside a body run on that body's thread alone; calls from
/// several threads take turns.
template <class Body>
void parallel_for(std::int64_t count, Body&& body) {
  using Plain = std::remove_reference_t<Body>;
  parallel_for_erased(
      count, const_cast<void*>(static_cast<const void*>(&body)),
      [](void* erased, std::int64_t index) { (*static_cast<Plain*>(erased))(index); });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
