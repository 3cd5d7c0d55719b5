// Batch normalisation (Ioffe and Szegedy 2015), forward and backward. See kernels/batch_norm.cu for
// the mathematics.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"
#include "kernels/channels.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one forward call. x, y: [batch, channels, ...], of one floating type T; A is
/// float32, or float64 for float64. Training takes the statistics of the batch, of at least two
/// elements a channel, and moves the running ones towards them; else the running ones are taken. A
/// running variance ends at the largest A; numbers may be up to half of that.
struct BatchNormForward {
  Tensor y;  ///< may be x outside training
  Tensor x;
  Tensor weight;        ///< [channels] of T; undefined is 1
  Tensor bias;          ///< [channels] of T; undefined is 0
  Tensor running_mean;  ///< [channels] of A
  Tensor running_variance;
  Tensor mean;     ///< [channels] of A, written: for backward
  Tensor rstd;     ///< [channels] of A, written: 1 / sqrt(variance + epsilon)
  Tensor scratch;  ///< of batch_norm_scratch(); only in training
  bool training = true;
  double momentum = 0.1;  ///< weight of the batch in the running statistics
  double epsilon = 1e-5;
  bool unbiased = true;  ///< the running variance follows sums over n - 1, else over n
};

/// Throws Error naming the operand whose type or shape does not fit, or if a channel has fewer than
/// two elements in training.
void batch_norm_forward(Stream& stream, const BatchNormForward& call);

/// Operands of one backward call. `training` as in the forward call before.
struct BatchNormBackward {
  Gradient dx;           ///< of x's type; may be dy
  Gradient weight_grad;  ///< [channels] of T
  Gradient bias_grad;    ///< [channels] of T
  Tensor x;
  Tensor dy;
  Tensor weight;  ///< undefined is 1
  Tensor mean;
  Tensor rstd;
  Tensor scratch;  ///< of batch_norm_scratch()
  bool training = true;
};

void batch_norm_backward(Stream& stream, const BatchNormBackward& call);

/// What the blocks leave for each other between kernels.
TensorType batch_norm_scratch(const ChannelShape& shape, DType dtype);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
