// GELU in its tanh form (Hendrycks and Gimpel, arXiv:1606.08415), for the epilogues of matrix
// products and for the layer (kernels/activation.h):
//
//   gelu(x) = x/2 (1 + tanh(u)),  u = sqrt(2/pi) (x + 0.044715 x^3)
//
// computed as x s with s = 1 / (1 + exp(-2u)), the same function without the cancellation of 1 +
// tanh at negative x; then gelu'(x) = s + x s (1 - s) 2u'. Products with an s, or an s (1 - s), of
// 0 are 0, their limit, also where the other factor is infinite.
#pragma once

#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace gelu_detail {
inline constexpr double kScale = 1.5957691216057307118;  // 2 sqrt(2/pi)
inline constexpr double kCubic = 0.044715;

template <class T>
ADJOINT_HD T sigmoid_of_twice_u(T x) {
  return sigmoid(x * (T(kScale) + T(kScale * kCubic) * x * x));
}
}  // namespace gelu_detail

template <class T>
ADJOINT_HD T gelu_tanh(T x) {
  // Of -infinity too the product with an s of 0 is to be 0.
  constexpr T kLeast = std::numeric_limits<T>::lowest();
  return (x < kLeast ? kLeast : x) * gelu_detail::sigmoid_of_twice_u(x);
}

template <class T>
ADJOINT_HD T gelu_tanh_derivative(T x) {
  const T s = gelu_detail::sigmoid_of_twice_u(x), slope = s * (T(1) - s);
  const T bend = x * slope * T(gelu_detail::kScale) * (T(1) + T(3 * gelu_detail::kCubic) * x * x);
  return s + (slope == T(0) ? T(0) : bend);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
