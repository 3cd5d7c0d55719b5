// Sums along one axis.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y[o, i] = scale sum over a of x[o, a, i]. x: [outer, extent, inner], y: [outer, inner], of one
/// floating type. No entries sum up to 0.
void axis_sum(Stream& stream, Tensor y, Tensor x, double scale);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
