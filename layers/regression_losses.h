// Losses between a prediction x and a target t, real numbers, summed over elements.
#pragma once

#include "layers/pointwise_loss.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// (x - t)^2
Value mse(const Value& x, const Value& target, Reduction reduction = Reduction::mean);

}  // namespace adjoint::inline ADJOINT_BACKEND
