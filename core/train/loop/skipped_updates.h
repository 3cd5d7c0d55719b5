// Why updates were skipped: what an optimizer's records say of it, counted and put into words.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/update_state.h"

namespace adjoint {

/// Updates that were skipped, by cause.
struct SkippedUpdates {
  std::int64_t no_samples = 0;  ///< no sample counted: all had the label that is to be ignored
  std::int64_t loss = 0;        ///< the loss was not finite, before any scale
  std::int64_t loss_scale = 0;  ///< the loss was, the gradient not: the scale falls until it is
  std::int64_t gradient = 0;    ///< likewise, and no scale is left to fall
  std::int64_t too_long = 0;    ///< the gradient was finite, but its squares are not (float32)
  float scale_before = 1;       ///< of the first of those that made it fall
  float scale_after = 1;        ///< what it fell to
  float scale = 1;              ///< of the last of the gradients that were not finite
  bool scaled = false;          ///< there is a scale that follows the gradients

  /// Counts an update if it was skipped.
  void count(const StepRecord& record, const LossScaling& scaling);
  std::int64_t total() const { return no_samples + loss + loss_scale + gradient + too_long; }
  /// Those of numbers that are none or too large, which more updates do not mend.
  std::int64_t diverged() const { return loss + gradient + too_long; }
};

/// A line for each cause; `why_loss` says why losses were not finite.
std::vector<std::string> skip_lines(const SkippedUpdates& skipped, const std::string& why_loss);

}  // namespace adjoint
