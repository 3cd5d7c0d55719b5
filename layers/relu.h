// ReLU: y = max(x, 0).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The derivative at 0 is 0. Backward reads y, so y may take the place of x.
class ReLU : public Pointwise {
 public:
  ReLU();
};

Value relu(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
