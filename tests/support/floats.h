// Tensors of 32 and 16 bits to and from floats, which hold the numbers of all of them.
#pragma once

#include <vector>

#include "core/device/half.h"
#include "core/tensor/transfer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace detail {
template <class T>
std::vector<float> read_as(Context& context, const Tensor& tensor) {
  const std::vector<T> values = download<T>(context, tensor);
  return {values.begin(), values.end()};
}
template <class T>
void write_as(Context& context, const Tensor& tensor, const std::vector<float>& values) {
  std::vector<T> rounded;
  for (const float value : values) rounded.push_back(T(value));
  upload(context, tensor, rounded);
}
}  // namespace detail

/// The elements of a contiguous tensor of float32, bfloat16 or float16.
inline std::vector<float> read_floats(Context& context, const Tensor& tensor) {
  if (tensor.dtype() == DType::bfloat16) return detail::read_as<bfloat16>(context, tensor);
  if (tensor.dtype() == DType::float16) return detail::read_as<float16>(context, tensor);
  return download<float>(context, tensor);
}

/// Rounds the values to such a tensor's type and puts them there.
inline void write_floats(Context& context, const Tensor& tensor, const std::vector<float>& values) {
  if (tensor.dtype() == DType::bfloat16)
    detail::write_as<bfloat16>(context, tensor, values);
  else if (tensor.dtype() == DType::float16)
    detail::write_as<float16>(context, tensor, values);
  else
    upload(context, tensor, values);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
