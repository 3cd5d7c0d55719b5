// Every status of the CUDA runtime goes through check_cuda(): by name, with what was called.
#pragma once

#include <cuda_runtime_api.h>

#include "core/base/error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Throws Error("cudaStreamSynchronize: cudaErrorIllegalAddress (an illegal memory access was
/// encountered)") from the place of the call unless the status is cudaSuccess. `call` is the name
/// of the function called.
void check_cuda(cudaError_t status, const char* call,
                SourceLocation where = SourceLocation::current());

/// Forgets the runtime's last error, where it was handled.
inline void clear_cuda_error() { static_cast<void>(cudaGetLastError()); }

/// Makes the process's device (select_device) current in the calling thread. A comparison where it
/// is.
void bind_thread_to_device();

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
