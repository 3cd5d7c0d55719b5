// For each output j, over the n rows i of prediction p and target t [rows, outputs]:
//
//   absolute += sum |p_ij - t_ij|                squared += sum (p_ij - t_ij)^2
//   m = sum t_ij / n,  S = sum (t_ij - m)^2      of the batch, added to those of the N rows before:
//   spread += S + (m - mean)^2 N n / (N + n)     mean += (m - mean) n / (N + n)     N += n
//
// in double. The spread is never the difference of two larger sums, in which a mean far from 0
// would leave none of its digits (Chan, Golub and LeVeque 1983, "Algorithms for Computing the
// Sample Variance", eq. 2.1); and m is found from the distances to the first target, so that equal
// targets have a spread of exactly 0. A block takes an output: evaluation is rare and outputs are
// few, so that columns far apart in memory, read twice, cost nothing that counts.
#include "kernels/regression_errors.h"

#include "core/device/block.h"
#include "kernels/dispatch.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
__global__ void __launch_bounds__(256)
    regression_errors_kernel(const T* prediction, const float* target, std::int64_t rows,
                             std::int64_t outputs, RegressionSums* sums) {
  Block block;
  const std::int64_t output = blockIdx.x;
  const double first = target[output];
  Values<double, 3> sum{};
  for (std::int64_t row = block.thread; row < rows; row += block.threads) {
    const double t = target[row * outputs + output];
    const double error = double(Accumulate<T>(prediction[row * outputs + output])) - t;
    sum[0] += error < 0 ? -error : error;
    sum[1] += error * error;
    sum[2] += t - first;
  }
  sum = block.sum(sum);
  const double n = double(rows), mean = first + sum[2] / n;
  double spread = 0;
  for (std::int64_t row = block.thread; row < rows; row += block.threads) {
    const double distance = double(target[row * outputs + output]) - mean;
    spread += distance * distance;
  }
  spread = block.sum(spread);
  if (block.thread != 0) return;
  RegressionSums& to = sums[output];
  to.absolute += sum[0];
  to.squared += sum[1];
  const double share = n / (to.count + n), apart = mean - to.mean;
  to.spread += spread + apart * apart * to.count * share;
  to.mean += apart * share;
  to.count += n;
}

}  // namespace

void regression_errors(Stream& stream, const Tensor& prediction, const Tensor& target,
                       RegressionSums* sums) {
  ADJOINT_CHECK(target.defined() && target.shape().rank() == 2 && sums != nullptr,
                "regression_errors: expected targets [batch, outputs] and sums");
  const std::int64_t rows = target.shape()[0], outputs = target.shape()[1];
  check_operand("regression_errors", "target", target, {DType::float32, target.shape()});
  check_operand("regression_errors", "prediction", prediction,
                {prediction.dtype(), target.shape()});
  if (target.count() == 0) return;
  dispatch_floating(prediction.dtype(), "regression_errors", [&]<class T>() {
    launch<regression_errors_kernel<T>>(stream, {.grid = outputs, .block = preferred_block(256)},
                                        prediction.data<T>(), target.data<float>(), rows, outputs,
                                        sums);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
