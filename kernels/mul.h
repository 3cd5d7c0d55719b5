// The product of two tensors, element by element.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y (+)= a b, as the mode says; all of one floating type and shape; y may be a or b. Launches
/// nothing where y is not wanted.
void mul(Stream& stream, Gradient y, Tensor a, Tensor b);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
