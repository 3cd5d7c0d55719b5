// LossLayer: what training asks of a loss beside what it asks of every layer. An interface without
// kernels, so that training knows losses by what they say and not by their names.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "core/graph/layer.h"
#include "core/tensor/predicted.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A layer of (prediction, target) that makes totals of losses (kernels/totals.h).
class LossLayer : public Layer {
 public:
  /// What the model predicts. A loss of labels may take floating probabilities of all classes too.
  virtual Predicted predicts() const { return Predicted::number; }

  /// The label of samples that no loss learns from; nothing for losses without labels.
  virtual std::optional<std::int32_t> ignored_label() const { return std::nullopt; }

  /// Turns a prediction, one row of its last axis, into what targets are: by the inverse of the
  /// link function (McCullagh and Nelder 1989, section 2.2.3), for which logits become
  /// probabilities. By default nothing is to be done.
  virtual void inverse_link(std::span<double> prediction) const;

  /// The prediction for which the loss of this target is the least there is: a row of the last axis
  /// each. For losses of a floating target; by default the target itself. What cannot be reached
  /// (a logit of probability 0) is far enough for the difference to vanish in float32.
  virtual void best(std::span<const float> target, std::span<float> prediction) const;
};

/// The softmax of one row of scores, in place. NaN where a score is none.
void softmax_row(std::span<double> scores);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
