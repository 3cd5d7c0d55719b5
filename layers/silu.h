// SiLU: y = x sigmoid(x), also called swish.
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Elfwing et al. 2018.
class SiLU : public Pointwise {
 public:
  SiLU();
};

Value silu(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
