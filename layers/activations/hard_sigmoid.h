// HardSigmoid: y = min(max(x + 3, 0), 6) / 6.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Howard et al. 2019 (MobileNetV3). The derivative at -3 and 3 is 0.
class HardSigmoid : public Pointwise {
 public:
  HardSigmoid();
};

Value hard_sigmoid(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
