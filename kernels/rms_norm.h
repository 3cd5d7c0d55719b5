// Root mean square normalisation (Zhang and Sennrich 2019), forward and backward. See
// kernels/rms_norm.cu for the mathematics.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x, y: [rows, cols] in any leading shape, weight [cols], all of one floating type; rrms [rows],
/// float32 (float64 for float64), is written for backward. y may be x. Throws Error naming the
/// operand whose type or shape does not fit.
void rms_norm_forward(Stream& stream, Tensor y, Tensor rrms, Tensor x, Tensor weight,
                      double epsilon);

struct RmsNormBackward {
  Gradient dx;           ///< of x's type; may be dy
  Gradient weight_grad;  ///< [cols], of x's type
  Tensor x;
  Tensor dy;
  Tensor weight;
  Tensor rrms;
  Tensor scratch;  ///< of rms_norm_scratch(); not needed without weight_grad
};
void rms_norm_backward(Stream& stream, const RmsNormBackward& call);

/// What backward keeps of the weight's gradient between its two kernels.
TensorType rms_norm_scratch(std::int64_t rows, std::int64_t cols, DType dtype);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
