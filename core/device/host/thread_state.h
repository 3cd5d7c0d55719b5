// What the running CUDA thread knows about itself, in thread-local storage of the CPU thread that
// runs it. threadIdx and its like are names for its members. Everything the fast path touches lies
// here, together.
#pragma once

#include <cstddef>

#include "core/device/host/vector_types.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class BlockEngine;

struct ThreadState {
  uint3 thread{};
  uint3 block{};
  dim3 block_extent;
  dim3 grid_extent;
  unsigned block_threads = 1;
  unsigned linear = 0;  ///< index of the thread in its block; valid once `interleaved`
  /// Some thread of this block has been suspended, or the order of threads is not the natural one:
  /// the block is run by the engine instead of a loop over its threads.
  bool interleaved = false;
  void* dynamic_shared = nullptr;
  BlockEngine* engine = nullptr;

  /// Static shared variables of this block, by the place of their declaration.
  struct SharedVariable {
    const void* declaration;
    void* data;
  };
  static constexpr unsigned kMaxSharedVariables = 16;
  unsigned shared_variables = 0;
  SharedVariable shared_variable[kMaxSharedVariables]{};
};

// initial-exec: one load instead of a call, for each use of threadIdx in a shared library.
extern constinit thread_local __attribute__((tls_model("initial-exec"))) ThreadState thread_state;

inline unsigned linear_thread() {
  const ThreadState& s = thread_state;
  return s.thread.x + s.block_extent.x * (s.thread.y + s.block_extent.y * s.thread.z);
}
inline unsigned lane_index() { return linear_thread() & 31u; }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

#define threadIdx (::adjoint::thread_state.thread)
#define blockIdx (::adjoint::thread_state.block)
#define blockDim (::adjoint::thread_state.block_extent)
#define gridDim (::adjoint::thread_state.grid_extent)
inline constexpr int warpSize = 32;
