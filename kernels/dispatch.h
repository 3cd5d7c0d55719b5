// From the element type known at run time to the one kernels are templates over.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "core/base/error.h"
#include "core/tensor/tensor.h"

namespace adjoint {

/// What kernels compute and accumulate in for storage type T: float64 for float64, else float32.
template <class T>
using Accumulate = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Calls function.template operator()<T>() with the T of a floating type:
///
///   dispatch_floating(x.dtype(), "add", [&]<class T>() { launch<add_kernel<T>>(...); });
template <class Function>
void dispatch_floating(DType dtype, std::string_view kernel, const Function& function) {
  switch (dtype) {
    case DType::float32:
      return function.template operator()<float>();
    case DType::float64:
      return function.template operator()<double>();
    case DType::bfloat16:
      return function.template operator()<bfloat16>();
    case DType::float16:
      return function.template operator()<float16>();
    default:
      ADJOINT_FAIL(kernel, ": expected float32, float64, bfloat16 or float16 elements, got ",
                   name(dtype), "; cast them first");
  }
}

/// Throws Error unless the tensor has this type and shape and no gaps.
inline void check_operand(std::string_view kernel, std::string_view operand, const Tensor& tensor,
                          const TensorType& expected) {
  ADJOINT_CHECK(tensor.defined() && tensor.type() == expected && tensor.contiguous(), kernel, ": ",
                operand, ": expected contiguous ", expected, ", got ",
                tensor.defined() ? str(tensor.type()) : std::string("nothing"));
}

inline bool aligned16(const void* address) {
  return reinterpret_cast<std::uintptr_t>(address) % 16 == 0;
}

}  // namespace adjoint
