// The triplet margin loss. See kernels/triplet.cu for the mathematics.
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call.
struct TripletCall {
  Tensor anchor, positive, negative;  ///< [rows, cols], floating, of one type
  Gradient danchor, dpositive, dnegative;
  /// Losses are [rows]. Totals: sum of losses, number of rows, number of rows whose positive is
  /// nearer than the negative. As many pieces as rows.
  LossOutput out;
  double margin = 1.0;
};

/// One kernel. Throws Error naming the operand whose type or shape does not fit.
void triplet(Stream& stream, const TripletCall& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
