// Sigmoid: y = 1 / (1 + e^-x).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Backward reads y, so y may take the place of x.
class Sigmoid : public Pointwise {
 public:
  Sigmoid();
};

Value sigmoid(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
