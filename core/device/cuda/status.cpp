// See status.h.
#include "core/device/cuda/status.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// What to do about the errors that users meet.
const char* advice(cudaError_t status) {
  switch (status) {
    case cudaErrorNoDevice:
    case cudaErrorInsufficientDriver:
      return "; a GPU and a driver as new as the toolkit are needed, else use the host backend";
    case cudaErrorNoKernelImageForDevice:
      return "; build for this GPU with CMAKE_CUDA_ARCHITECTURES";
    case cudaErrorIllegalAddress:
    case cudaErrorLaunchFailure:
    case cudaErrorMisalignedAddress:
      return "; some kernel put on the device before failed, and the process must be started anew: "
             "the host-asan preset finds the line";
    default:
      return "";
  }
}

}  // namespace

void check_cuda(cudaError_t status, const char* call, SourceLocation where) {
  if (status == cudaSuccess) [[likely]]
    return;
  clear_cuda_error();
  throw Error(str(call, ": ", cudaGetErrorName(status), " (", cudaGetErrorString(status), ")",
                  advice(status)),
              where);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
