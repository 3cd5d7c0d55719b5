// Mish: y = x tanh(log(1 + e^x)).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Misra 2020.
class Mish : public Pointwise {
 public:
  Mish();
};

Value mish(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
