// HardTanh: y = x between two bounds.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The derivative at the bounds is 0.
class HardTanh : public Pointwise {
 public:
  /// low: below high.
  explicit HardTanh(double low = -1.0, double high = 1.0);
};

Value hard_tanh(const Value& x, double low = -1.0, double high = 1.0);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
