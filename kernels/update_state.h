// What an optimizer keeps on the device from one step to the next. It lies in device memory, not in
// kernel arguments, because a captured step is replayed with its arguments frozen: everything that
// differs from step to step must be read by the kernels. All zero bytes are the state before the
// first step.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/learning_rate.h"

namespace adjoint {

/// How the scale that losses multiply their gradients by (Context::loss_scale()) follows what the
/// gradients do, as in Micikevicius et al. 2018, "Mixed Precision Training": a step whose gradient
/// is not finite is skipped and the scale multiplied by `backoff`; after growth_interval steps in a
/// row that were finite it is multiplied by `growth`.
struct LossScaling {
  bool dynamic = false;
  std::uint32_t growth_interval = 2000;
  double backoff = 0.5;
  double growth = 2;
  double smallest = 1.0 / 65536;
  double largest = 16777216;
};

/// A moving average of what updates change.
struct MovingAverage {
  double decay = 0;  ///< what of the average stays at an update, in [0, 1)
  /// The decay grows with the updates made, so that the average of a short run does not hang on its
  /// beginning: at update t it is min(decay, (1 + t) / (10 + t)), that of TensorFlow's
  /// ExponentialMovingAverage with num_updates.
  bool warmup = false;
};

/// What of the average stays at update `step`, from 1; the first one sets it.
ADJOINT_HD double average_kept(const MovingAverage& average, std::uint64_t step) {
  if (step <= 1) return 0;
  const double grown = (1.0 + double(step)) / (10.0 + double(step));
  return average.warmup && grown < average.decay ? grown : average.decay;
}

/// The moving average with `now` in it. What is taken is 1 less what is kept as T rounds it, so
/// that the two are 1 together and the average of equal numbers is that number.
template <class T>
ADJOINT_HD T averaged_with(T mean, T now, T kept) {
  return kept * mean + (1 - kept) * now;
}

/// Written by kernels/gradient_norm.h once a step, read by the update that follows. Its first
/// kSavedUpdateState bytes are saved with checkpoints as they are: part of their format.
struct UpdateState {
  std::uint64_t step;     ///< updates made
  std::uint64_t skipped;  ///< updates not made because the gradient was not finite
  /// 1 - beta^step of Adam's two moving averages; 0 before the first step. Kept rather than a power
  /// computed anew: c' = beta c + (1 - beta). Where beta1 changes from step to step (NAdam), its
  /// product stands for the power.
  double bias_correction1;
  double bias_correction2;
  double momentum_fade;  ///< 1 - q^step, q being GradientNorm::momentum_fade
  /// What a plateau schedule multiplies the rate by; 0 stands for 1. Written, like the three
  /// below, by kernels/observe_loss.h.
  double rate_factor;
  double best_loss;
  std::uint32_t losses_observed;    ///< 0: there is no best loss yet
  std::uint32_t losses_not_better;  ///< in a row
  std::uint32_t cooling;            ///< observations for which nothing counts as bad
  std::uint32_t good_steps;         ///< with a finite gradient since the loss scale changed

  // Of the step at hand only:
  double learning_rate;
  /// What each element of the gradient, a sum over samples, is multiplied by: clip factor / (valid
  /// count x loss scale).
  double gradient_scale;
  double gradient_norm;  ///< of the mean gradient, before clipping
  double first_factor;   ///< 1 / bias_correction1
  double second_factor;  ///< 1 / sqrt(bias_correction2)
  std::uint32_t finite;  ///< 1: update. 0: leave everything as it is
  std::uint32_t reserved;
  double average_kept;  ///< average_kept(), what of the moving average stays
};
inline constexpr std::size_t kSavedUpdateState = offsetof(UpdateState, average_kept);
static_assert(kSavedUpdateState == 120 && sizeof(UpdateState) == 128);

/// What one step leaves for the host to read, later and without waiting.
struct StepRecord {
  /// 1 for the optimizer's first step, skipped steps included. 0: not written yet. The device
  /// writes it last.
  std::uint64_t sequence;
  std::uint64_t step;    ///< updates made so far, this one included unless skipped
  double loss_sum;       ///< over all samples of all micro-steps
  double valid_count;    ///< samples (or tokens) that counted
  double correct_count;  ///< of these, predicted right
  double learning_rate;
  double gradient_norm;   ///< of the mean gradient, before clipping; NaN or infinite if skipped,
                          ///< NaN without OptimizerOptions::check_gradient
  std::uint32_t skipped;  ///< 1 if the update was not made
  float loss_scale;       ///< what the loss of this step was multiplied by
};
static_assert(sizeof(StepRecord) == 64);

}  // namespace adjoint
