// ReLU6: y = min(max(x, 0), 6).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The derivative at 0 and 6 is 0. Backward reads y, so y may take the place of x.
class ReLU6 : public Pointwise {
 public:
  ReLU6();
};

Value relu6(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
