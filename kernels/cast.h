// Conversion between floating types.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y = scale x, rounded to nearest even in y's type. Any two floating types, equal counts; y must
/// not overlap x unless it is x.
void cast(Stream& stream, Tensor y, Tensor x, float scale = 1.0f);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
