// HardSwish: y = x min(max(x + 3, 0), 6) / 6.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Howard et al. 2019 (MobileNetV3).
class HardSwish : public Pointwise {
 public:
  HardSwish();
};

Value hard_swish(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
