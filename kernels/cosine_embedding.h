// Losses of the angle between two vectors. See kernels/cosine_embedding.cu for the mathematics.
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call.
struct CosineEmbeddingCall {
  Tensor a, b;    ///< [rows, cols], floating, of one type
  Tensor labels;  ///< optional, [rows] int32: 1 for pairs to be alike, -1 for others; none: all 1
  Gradient da, db;
  /// Losses are [rows]. Totals: sum of losses, number of rows, number of rows without loss. As many
  /// pieces as rows.
  LossOutput out;
  Tensor status;  ///< with labels, [2] int32: see SoftmaxCrossEntropy
  double margin = 0.0;
};

/// One kernel. Throws Error naming the operand whose type or shape does not fit.
void cosine_embedding(Stream& stream, const CosineEmbeddingCall& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
