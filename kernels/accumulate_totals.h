// Between the micro-steps of one update: their totals must outlive the next forward pass.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/gradient_norm.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Adds the first three of `totals`, float32 or float64, to workspace->totals, which the next
/// gradient_norm() adds to its own and clears; and advances *random_step by one, so that the next
/// micro-step draws anew. Both in device memory.
void accumulate_totals(Stream& stream, const Tensor& totals, StepWorkspace* workspace,
                       std::uint64_t* random_step);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
