// The negative logarithm of the likelihood of labels, from log-probabilities. See kernels/nll.cu
// for the mathematics.
#pragma once

#include <cstdint>

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call. A is float32, or float64 for float64 inputs.
struct NllCall {
  Tensor x;              ///< [rows, classes], floating: log-probabilities
  Tensor labels;         ///< [rows], int32
  Gradient dx;           ///< of x's type
  Tensor class_weights;  ///< optional, [classes] of A: factor of loss, gradient and count
  /// Losses are [rows]. Totals: sum of losses, number of rows that count (their weight), number of
  /// these whose label is the first of the largest. As many pieces as rows.
  LossOutput out;
  Tensor status;  ///< [2] int32: see SoftmaxCrossEntropy
  std::int32_t ignored_label = -100;
};

/// One kernel. Throws Error naming the operand whose type or shape does not fit.
void nll(Stream& stream, const NllCall& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
