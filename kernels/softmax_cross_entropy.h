// Softmax followed by cross-entropy against class labels: loss and gradient in one pass over the
// logits. See kernels/softmax_cross_entropy.cu for the mathematics, and
// kernels/soft_cross_entropy.h for targets that are distributions.
#pragma once

#include <cstdint>

#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call. A is float32, or float64 for float64 logits.
struct SoftmaxCrossEntropy {
  Tensor logits;    ///< [rows, columns], floating
  Tensor labels;    ///< [rows], int32
  Tensor gradient;  ///< optional, of logits' type; may be logits unless it is added to
  bool accumulate_gradient = false;
  /// Of the columns; 0: all of them. Those behind are padding: not read, and with gradients of 0.
  std::int64_t classes = 0;
  /// Optional, [classes] of A: rows count as much as their label's class weighs.
  Tensor class_weights;
  /// Losses are [rows]. Totals: sum of losses, number of rows that count (or their weight), number
  /// of these whose label is the first of the largest logits. Exact up to 2^24 rows in float32. As
  /// many pieces as rows.
  LossOutput out;
  /// [2] int32, zero before the first call: {1 + row, label} of the lowest row of the first call
  /// with totals that met a label neither in [0, classes) nor ignored. Such rows count like ignored
  /// ones.
  Tensor status;
  double label_smoothing = 0.0;  ///< only without class weights
  double weight = 1.0;           ///< factor of loss and gradient
  std::int32_t ignored_label = -100;
};

/// One kernel, and with padding one more. Logits of any size are safe, and so is -infinity for
/// classes other than the label's. Throws Error naming the operand whose type or shape does not
/// fit.
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
