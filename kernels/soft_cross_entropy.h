// Softmax followed by cross-entropy against a distribution over the classes: given as such, or made
// of a label by smoothing and class weights. See kernels/soft_cross_entropy.cu for the mathematics.
#pragma once

#include <cstdint>

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call. A is float32, or float64 for float64 logits.
struct SoftCrossEntropy {
  Tensor logits;   ///< [rows, columns], floating
  Tensor targets;  ///< [rows, classes] of logits' type; or
  Tensor labels;   ///< [rows], int32
  /// Of the columns; 0: all of them. Only with labels; see SoftmaxCrossEntropy.
  std::int64_t classes = 0;
  Gradient gradient;     ///< of logits
  Gradient dtargets;     ///< of targets
  Tensor class_weights;  ///< optional, [classes] of A
  /// Losses are [rows]. Totals: sum of losses, number of rows (with labels: weight of the classes
  /// of those that count), number of these whose first largest logit is the label's, or that of a
  /// largest target. As many pieces as rows.
  LossOutput out;
  Tensor status;  ///< with labels, [2] int32: see SoftmaxCrossEntropy
  double label_smoothing = 0.0;
  double weight = 1.0;  ///< factor of loss and gradient
  std::int32_t ignored_label = -100;
};

/// One kernel, and with padding one more. Logits of any size are safe, and so is -infinity where
/// the target is 0. Throws Error naming the operand whose type or shape does not fit.
void soft_cross_entropy(Stream& stream, const SoftCrossEntropy& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
