// Tanh: y = tanh(x).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Backward reads y, so y may take the place of x.
class Tanh : public Pointwise {
 public:
  Tanh();
};

Value tanh(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
