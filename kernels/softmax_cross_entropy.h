// Softmax followed by cross-entropy against class labels: loss and gradient in one pass over the
// logits. See kernels/softmax_cross_entropy.cu for the mathematics.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Operands of one call. A is float32, or float64 for float64 logits.
struct SoftmaxCrossEntropy {
  Tensor logits;    ///< [rows, classes], floating
  Tensor labels;    ///< [rows], int32
  Tensor gradient;  ///< optional, of logits' type; may be logits unless it is added to
  bool accumulate_gradient = false;
  Tensor losses;  ///< optional, [rows] of A: each row's loss
  /// [3] of A: sum of losses, number of rows that count, number of these whose label is the first
  /// of the largest logits. Exact up to 2^24 rows in float32.
  Tensor totals;
  bool accumulate_totals = false;
  /// [2] int32, zero before the first call: {1 + row, label} of the lowest row of the first call
  /// that met a label neither in [0, classes) nor ignored. Such rows count like ignored ones.
  Tensor status;
  Tensor counter;  ///< [1] int32, zero before the first call; calls leave it zero
  Tensor scratch;  ///< of softmax_cross_entropy_scratch()
  float label_smoothing = 0.0f;
  float weight = 1.0f;  ///< factor of loss and gradient
  std::int32_t ignored_label = -100;
};

/// One kernel. Logits of any size are safe, and so is -infinity for classes other than the label's.
/// Throws Error naming the operand whose type or shape does not fit.
void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& call);

TensorType softmax_cross_entropy_scratch(std::int64_t rows);

}  // namespace adjoint::inline ADJOINT_BACKEND
