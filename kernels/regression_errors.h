// How far predicted numbers are from what they should be, added up over the batches of a data set.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Sums over samples, of one output.
struct RegressionSums {
  double absolute = 0;  ///< |prediction - target|
  double squared = 0;   ///< (prediction - target)^2
  double target = 0;
  double target_squared = 0;
};

/// Adds the sums of a batch to sums[outputs] in device memory; prediction [batch, outputs],
/// floating; target [batch, outputs], float32. One launch; the order of additions is fixed by the
/// batch. Throws Error naming the operand whose type or shape does not fit.
void regression_errors(Stream& stream, const Tensor& prediction, const Tensor& target,
                       RegressionSums* sums);

}  // namespace adjoint::inline ADJOINT_BACKEND
