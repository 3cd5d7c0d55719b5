// Mish: y = x tanh(log(1 + e^x)).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Misra 2020.
class Mish : public Pointwise {
 public:
  Mish();
};

Value mish(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
