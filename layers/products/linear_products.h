// The three products of a linear layer, y = x W^T + b, dW = dy^T x with db, dx = dy W, as calls
// through the matmul door: what Linear, and the layers that rewrites make of it, are composed of.
// x, dx [rows, in]; y, dy [rows, out]; weight [out, in]; bias [out].
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/engines/matmul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y = x W^T + b: x [rows, in], weight [out, in], y [rows, out]. An undefined bias is none.
Matmul linear_forward(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& y);

/// dW = dy^T x, and db = column sums of dy in the same product where `bias` is wanted.
Matmul linear_weight_gradient(const Tensor& x, const Tensor& dy, const Gradient& weight,
                              const Gradient& bias);

/// dx = dy W.
Matmul linear_input_gradient(const Tensor& dy, const Tensor& weight, const Gradient& dx);

/// Chooses engines for the three, for gradients in either mode: dx, and of weight and bias those
/// that are wanted.
void prepare_linear(Context& context, const Tensor& x, const Tensor& weight, const Tensor& bias,
                    const Tensor& y, const Gradient& dweight, const Gradient& dbias);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
