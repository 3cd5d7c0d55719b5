// Several losses' totals as one. See kernels/total_loss.cu for the mathematics.
#pragma once

#include <span>

#include "core/device/stream.h"
#include "core/tensor/gradient.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr int kMostLosses = 16;

/// Operands of one call. All tensors are totals (kernels/totals.h) of one type, float32 or float64,
/// gradients shaped like what they are of; `total` is [4] where all totals are.
struct TotalLossCall {
  std::span<const Tensor> totals;
  std::span<const float> weights;       ///< one each
  std::span<const Gradient> gradients;  ///< of totals; may be empty
  Tensor total;                         ///< optional
  // What the gradients are multiplied by, both optional:
  const float* scale = nullptr;  ///< device memory
  Tensor dy;                     ///< gradient of total, of which only the first is read
};

/// One launch of one thread. Throws Error naming the operand whose type or shape does not fit.
void total_loss(Stream& stream, const TotalLossCall& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
