// For each output j, over the rows i of prediction p and target t [rows, outputs]:
//
//   sums_j += { sum |p_ij - t_ij|, sum (p_ij - t_ij)^2, sum t_ij, sum t_ij^2 }
//
// in double. A block takes an output: evaluation is rare and outputs are few, so that columns far
// apart in memory cost nothing that counts.
#include "kernels/regression_errors.h"

#include "core/device/block.h"
#include "kernels/dispatch.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

template <class T>
__global__ void __launch_bounds__(256)
    regression_errors_kernel(const T* prediction, const float* target, std::int64_t rows,
                             std::int64_t outputs, RegressionSums* sums) {
  Block block;
  const std::int64_t output = blockIdx.x;
  Values<double, 4> sum{};
  for (std::int64_t row = block.thread; row < rows; row += block.threads) {
    const double t = target[row * outputs + output];
    const double error = double(Accumulate<T>(prediction[row * outputs + output])) - t;
    sum[0] += error < 0 ? -error : error;
    sum[1] += error * error;
    sum[2] += t;
    sum[3] += t * t;
  }
  sum = block.sum(sum);
  if (block.thread != 0) return;
  RegressionSums& to = sums[output];
  to.absolute += sum[0];
  to.squared += sum[1];
  to.target += sum[2];
  to.target_squared += sum[3];
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

}  // namespace adjoint::inline ADJOINT_BACKEND
