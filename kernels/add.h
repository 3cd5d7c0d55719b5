// Addition of tensors, and of gradients where a value is used more than once.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y = a + b, elementwise; all of one floating type and count; y may be a or b.
void add(Stream& stream, Tensor y, Tensor a, Tensor b);

/// dx = dy or dx += dy, as the mode says: a gradient's contribution as it is. dx has dy's type or
/// float32. Launches nothing where dx is not wanted, or where it is dy's memory and overwritten.
void contribute(Stream& stream, Gradient dx, Tensor dy);

/// What a gradient is where none reaches it: dx = 0 if the mode overwrites, else left as it is. dx
/// is contiguous.
void contribute_zeros(Stream& stream, const Gradient& dx);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
