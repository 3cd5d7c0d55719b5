// The least loss there is: what a loss comes to where predictions are as good as they can be. 0 for
// errors, but the entropy of the targets where these are probabilities.
#pragma once

#include <span>

#include "core/train/recipe/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Of the recipe's loss for these targets, [samples, numbers to predict of one], in the units that
/// Evaluation::loss has; `row` are the numbers along the last axis of a prediction. 0 for layers
/// that are no LossLayer. Waits.
double least_loss(Context& context, const Recipe& recipe, std::span<const float> targets,
                  std::int64_t samples, std::int64_t row);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
