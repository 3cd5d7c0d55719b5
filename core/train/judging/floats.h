// Results as float32 on the host, whatever type the model computes in.
#pragma once

#include <vector>

#include "core/tensor/transfer.h"
#include "kernels/dispatch.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The elements of a contiguous floating tensor, once everything on the stream has run. Throws
/// Error for other types.
inline std::vector<float> download_floats(Context& context, const Tensor& tensor) {
  std::vector<float> floats;
  dispatch_floating(tensor.dtype(), "download_floats", [&]<class T>() {
    const std::vector<T> elements = download<T>(context, tensor);
    floats.assign(elements.begin(), elements.end());
  });
  return floats;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
