// LeakyReLU: y = x where positive, else slope x.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Maas et al. 2013. The derivative at 0 is the slope. Backward reads y, so y may take the place of
/// x.
class LeakyReLU : public Pointwise {
 public:
  /// slope: at least 0.
  explicit LeakyReLU(double slope = 0.01);
};

Value leaky_relu(const Value& x, double slope = 0.01);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
