// Whole tensors to and from host vectors, waiting for the copy: for tests, tools and set-up. A step
// never uses these.
#pragma once

#include <span>
#include <vector>

#include "core/device/context.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Copies values to a contiguous tensor of as many elements of type T and waits.
template <class T>
void upload(Context& context, const Tensor& tensor, const std::vector<T>& values) {
  ADJOINT_CHECK(std::ssize(values) == tensor.count() && tensor.contiguous(), "upload: expected ",
                tensor.count(), " contiguous elements for ", tensor.type(), ", got ",
                values.size());
  copy_to_device(context.stream(), tensor.data<T>(), values.data(), tensor.bytes());
  context.stream().synchronize();
}

/// The elements of a contiguous tensor of type T, once everything on the stream has run.
template <class T>
std::vector<T> download(Context& context, const Tensor& tensor) {
  ADJOINT_CHECK(tensor.contiguous(), "download: expected a contiguous tensor, got ", tensor.type());
  std::vector<T> values(static_cast<std::size_t>(tensor.count()));
  copy_to_host(context.stream(), values.data(), tensor.data<T>(), tensor.bytes());
  context.stream().synchronize();
  return values;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
