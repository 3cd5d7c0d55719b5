// ELU: y = x where positive, else alpha (e^x - 1).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Clevert et al. 2016.
class ELU : public Pointwise {
 public:
  /// alpha: at least 0.
  explicit ELU(double alpha = 1.0);
};

Value elu(const Value& x, double alpha = 1.0);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
