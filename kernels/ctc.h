// Connectionist temporal classification: the likelihood of a labelling without knowing which steps
// its labels belong to. See kernels/ctc.cu for the mathematics.
#pragma once

#include <cstdint>

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Operands of one call. A is float32, or float64 for float64 inputs.
struct CtcCall {
  Tensor x;        ///< [batch, time, classes], floating: log-probabilities
  Tensor targets;  ///< [batch, length], int32: classes but the blank
  Tensor times;    ///< optional, [batch] int32: steps of each sequence; none: all of them
  /// Optional, [batch] int32: labels of each target; none: those before its first negative number.
  Tensor lengths;
  Gradient dx;
  /// Losses are [batch]. Totals: sum of losses, batch, 0. As many pieces as sequences.
  LossOutput out;
  Tensor status;     ///< [2] int32, zero before the first call: see SoftmaxCrossEntropy; the second
                     ///< word is 0. Sequences with bad targets or lengths have no loss.
  Tensor workspace;  ///< of ctc_workspace()
  Tensor links;      ///< of ctc_links()
  std::int32_t blank = 0;
  /// Losses of targets that no path can spell are 0 instead of infinite. Either way they have no
  /// gradient.
  bool zero_infinity = false;
  /// Losses are divided by the length of their target (at least 1).
  bool per_label = false;
};

/// One kernel, a block a sequence. Throws Error naming the operand whose type or shape does not
/// fit.
void ctc(Stream& stream, const CtcCall& call);

/// Serve smaller batches as well. `x` and `targets` are types of CtcCall's.
TensorType ctc_workspace(const TensorType& x, const TensorType& targets);
TensorType ctc_links(const TensorType& targets);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
