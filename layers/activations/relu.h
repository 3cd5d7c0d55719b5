// ReLU: y = max(x, 0).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The derivative at 0 is 0. Backward reads y, so y may take the place of x.
class ReLU : public Pointwise {
 public:
  ReLU();
};

Value relu(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
