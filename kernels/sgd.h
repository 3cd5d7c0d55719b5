// The update of stochastic gradient descent with momentum over all parameters in one launch.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// All tensors [count], 16-byte aligned.
struct SgdUpdate {
  Tensor master;    ///< float32 or float64; updated
  Tensor gradient;  ///< the sum over samples, of master's type or a 16-bit one
  Tensor v;         ///< velocity, of master's type; updated. May be undefined if momentum is 0
  Tensor compute;   ///< 16-bit copy of master to refresh, or undefined
  double momentum = 0;
  double weight_decay = 0;
  const UpdateState* state = nullptr;  ///< device memory, as gradient_norm() left it
};

/// Puts one kernel on the stream. With learning rate r, in PyTorch's convention (the rate
/// multiplies the velocity, so that changing it takes effect at once; the decay is part of the
/// gradient):
///
///   g = gradient_scale gradient + weight_decay p
///   v = momentum v + g
///   p = p - r v
///
/// Does nothing at all if state->finite is 0. Throws Error for types, shapes or alignments that do
/// not fit.
void sgd(Stream& stream, const SgdUpdate& call);

}  // namespace adjoint::inline ADJOINT_BACKEND
