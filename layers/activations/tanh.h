// Tanh: y = tanh(x).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Backward reads y, so y may take the place of x.
class Tanh : public Pointwise {
 public:
  Tanh();
};

Value tanh(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
