// Layer normalisation (Ba et al. 2016), forward and backward, alone or fused with the addition of a
// residual. See kernels/layer_norm.cu for the mathematics.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one forward call. x, y: [rows, cols] in any leading shape, all of one floating type;
/// weight, bias: [cols] of that type; mean, rstd: [rows], float32 (float64 for float64).
struct LayerNormForward {
  Tensor y;     ///< may be x
  Tensor mean;  ///< written: for backward
  Tensor rstd;  ///< written: 1 / sqrt(variance + epsilon)
  Tensor x;
  Tensor addend;  ///< optional: x + addend is normalised
  Tensor sum;     ///< with addend: where x + addend goes; may be x or addend
  Tensor weight;
  Tensor bias;
  double epsilon = 1e-5;
};

/// Throws Error naming the operand whose type or shape does not fit.
void layer_norm_forward(Stream& stream, const LayerNormForward& call);

/// Operands of one backward call; x is what was normalised (the sum, if there was an addition).
struct LayerNormBackward {
  Gradient dx;           ///< of x's type; may be dy, or extra
  Gradient weight_grad;  ///< [cols], of x's type or float32
  Gradient bias_grad;    ///< [cols], of the same type as weight_grad
  Tensor x;
  Tensor dy;
  Tensor extra;  ///< optional: added to dx, as the gradient that reaches the sum by another path
  Tensor weight;
  Tensor mean;
  Tensor rstd;
  Tensor scratch;  ///< of layer_norm_scratch(); not needed without weight_grad and bias_grad
};

/// Either both or none of weight_grad and bias_grad are wanted.
void layer_norm_backward(Stream& stream, const LayerNormBackward& call);

/// What backward keeps of the parameters' gradients between its two kernels.
TensorType layer_norm_scratch(std::int64_t rows, std::int64_t cols, DType dtype);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
