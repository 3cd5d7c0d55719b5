// Softmax and its logarithm over rows, forward and backward. See kernels/softmax.cu.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

enum class SoftmaxForm : std::uint8_t { plain, logarithm };

/// x, y: [rows, cols] in any leading shape, of one floating type; y may be x. Elements of any size
/// are safe.
void softmax_forward(Stream& stream, SoftmaxForm form, Tensor y, Tensor x);
/// dx (+)= from y and dy; dx may be dy. Does nothing if dx is not wanted.
void softmax_backward(Stream& stream, SoftmaxForm form, Gradient dx, Tensor y, Tensor dy);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
