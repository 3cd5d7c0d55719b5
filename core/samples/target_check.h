// Whether targets are what a loss is defined for. A loss of probabilities takes any numbers without
// complaint and makes a loss below 0 of them, or an accuracy of 100 % on noise: so it is asked when
// targets are read, while file and line are known.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "core/tensor/value_range.h"

namespace adjoint {

/// What the loss of a model takes as targets. Without a loss: anything.
struct LossTargets {
  std::string loss = {};  ///< "bce_with_logits", for messages
  ValueRange range = {};
  bool any() const { return range == ValueRange(); }
};

/// Throws Error for the first number of [rows, outputs] that `wanted` does not hold, and the first
/// row of probabilities that are not together 1 (to one part in a hundred, for rounded ones),
/// saying what such targets as these mostly want. `place` names a number in messages: "t.csv: line
/// 7, column 'y'". Missing numbers, NaN, are passed over.
void check_targets(std::span<const float> targets, std::int64_t outputs, const LossTargets& wanted,
                   const std::function<std::string(std::int64_t row, std::int64_t output)>& place);

}  // namespace adjoint
