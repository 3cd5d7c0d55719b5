// How far predicted numbers are from what they should be, added up over the batches of a data set.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Over samples, of one output. All zero bytes before the first batch.
struct RegressionSums {
  double absolute = 0;  ///< sum of |prediction - target|
  double squared = 0;   ///< sum of (prediction - target)^2
  double count = 0;     ///< samples
  double mean = 0;      ///< of targets
  double spread = 0;    ///< sum of (target - mean)^2; exactly 0 where targets are equal
};

/// Adds a batch to sums[outputs] in device memory; prediction [batch, outputs],
/// floating; target [batch, outputs], float32. One launch; the order of additions is fixed by the
/// batch. Throws Error naming the operand whose type or shape does not fit.
void regression_errors(Stream& stream, const Tensor& prediction, const Tensor& target,
                       RegressionSums* sums);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
