// SELU: y = 1.0507 (x where positive, else 1.6733 (e^x - 1)).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Klambauer et al. 2017: keeps activations at mean 0 and variance 1 under weights of LeCun's
/// variance.
class SELU : public Pointwise {
 public:
  SELU();
};

Value selu(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
