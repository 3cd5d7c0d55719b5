// The first half of LAMB's update: moments, and how long each parameter is beside its update.
#pragma once

#include "kernels/slab_update.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct LambNorms {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-6;
};

/// Puts one kernel on the stream that updates the moments m and v (call.moments) and leaves in
/// call.norms.ratio, for each parameter p with direction u,
///
///   m = m + (1 - beta1) (g - m),  v = beta2 v + (1 - beta2) g g
///   u = m / (1 - beta1^t) / (sqrt(v) / sqrt(1 - beta2^t) + epsilon) + weight_decay p
///   ratio = |p| / |u|, or 1 where either is 0
///
/// Norms are summed in double, in an order fixed by counts and block size. Does nothing if
/// state->finite is 0. Throws Error for types, shapes or alignments that do not fit.
void lamb_norms(Stream& stream, const SlabUpdate& call, const LambNorms& options);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
