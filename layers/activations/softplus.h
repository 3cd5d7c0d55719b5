// Softplus: y = log(1 + e^(beta x)) / beta.
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Dugas et al. 2001: a smooth max(x, 0). Above the threshold y is x itself, as in PyTorch.
class Softplus : public Pointwise {
 public:
  /// beta: above 0. threshold: of beta x.
  explicit Softplus(double beta = 1.0, double threshold = 20.0);
};

Value softplus(const Value& x, double beta = 1.0, double threshold = 20.0);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
