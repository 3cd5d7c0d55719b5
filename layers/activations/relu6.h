// ReLU6: y = min(max(x, 0), 6).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The derivative at 0 and 6 is 0. Backward reads y, so y may take the place of x.
class ReLU6 : public Pointwise {
 public:
  ReLU6();
};

Value relu6(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
