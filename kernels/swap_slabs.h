// Exchanges the contents of two slabs: what a model has learned and its moving average.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Puts one kernel on the stream. Both [count], float32 or float64, of one type, 16-byte aligned.
/// Throws Error otherwise. With `state`, in device memory, it does nothing before the first update:
/// only then there is an average.
void swap_slabs(Stream& stream, const Tensor& a, const Tensor& b,
                const UpdateState* state = nullptr);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
