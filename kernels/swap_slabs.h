// Exchanges the contents of two slabs: parameters and their moving average.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Puts one kernel on the stream. Both [count], float32 or float64, of one type, 16-byte aligned.
/// Throws Error otherwise.
void swap_slabs(Stream& stream, const Tensor& a, const Tensor& b);

}  // namespace adjoint::inline ADJOINT_BACKEND
