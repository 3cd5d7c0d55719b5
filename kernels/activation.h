// Activation functions as functors over a scalar type: kernels/pointwise.cuh makes forward and
// backward kernels of them, kernels of other operations may call them in passing.
#pragma once

#include "kernels/dual.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// max(x, 0); its derivative is read off the output, so that x need not be kept. NaN stays NaN.
struct Relu {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return select(x <= T(0.0f), T(0.0f), x);
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return select(y > T(0.0f), T(1.0f), T(0.0f));
  }
};

/// Hendrycks and Gimpel 2016, "Gaussian error linear units", the tanh form: x (1 + tanh u) / 2 with
/// u = sqrt(2 / pi) (x + 0.044715 x^3), which is x sigmoid(2 u): accurate where 1 + tanh u cancels.
struct GeluTanh {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return x * sigmoid(x * (T(1.5957691216057308) + T(0.07135481627260025) * (x * x)));
  }
};

/// The same paper's exact form: x Phi(x) = x (1 + erf(x / sqrt(2))) / 2.
struct GeluExact {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return T(0.5f) * x * (T(1.0f) + erf(x * T(0.7071067811865476)));
  }
};

}  // namespace adjoint::inline ADJOINT_BACKEND
