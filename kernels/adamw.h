// The update of AdamW over all parameters of a model in one launch.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// All tensors [count], 16-byte aligned.
struct AdamWUpdate {
  Tensor master;    ///< float32 or float64; updated
  Tensor gradient;  ///< the sum over samples, of master's type or a 16-bit one
  Tensor m, v;      ///< moments, of master's type; updated
  Tensor compute;   ///< 16-bit copy of master to refresh, or undefined
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.01;
  const UpdateState* state = nullptr;  ///< device memory, as gradient_norm() left it
};

/// Puts one kernel on the stream. With g = gradient_scale gradient, learning rate r and t updates
/// made, this one included (Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization",
/// algorithm 2, in PyTorch's order of operations):
///
///   p = p (1 - r weight_decay)
///   m = m + (1 - beta1) (g - m)
///   v = beta2 v + (1 - beta2) g g
///   p = p - r / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + epsilon)
///
/// Does nothing at all if state->finite is 0. Throws Error for types, shapes or alignments that do
/// not fit.
void adamw(Stream& stream, const AdamWUpdate& call);

}  // namespace adjoint::inline ADJOINT_BACKEND
