// SiLU: y = x sigmoid(x), also called swish.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Elfwing et al. 2018.
class SiLU : public Pointwise {
 public:
  SiLU();
};

Value silu(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
