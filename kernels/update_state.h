// What an optimizer keeps on the device from one step to the next, and the arithmetic of learning
// rates. It lies in device memory, not in kernel arguments, because a captured step is replayed
// with its arguments frozen: everything that differs from step to step must be read by the kernels.
// All zero bytes are the state before the first step.
#pragma once

#include <cstdint>

#include "core/tensor/hd.h"

namespace adjoint {

/// Learning rates as a function of the step; see learning_rate(). Made by optim/schedule.h, which
/// checks the ranges.
struct Schedule {
  enum class Kind : std::uint8_t { constant, cosine };

  Kind kind = Kind::constant;
  double base = 1e-3;              ///< rate after the warm-up
  double final = 0;                ///< rate that the cosine ends at
  std::uint64_t warmup_steps = 0;  ///< steps before the base rate is reached
  std::uint64_t total_steps = 0;   ///< warm-up included; not used by `constant`
};

/// (1 + cos(pi x)) / 2 for x in [0, 1], to 1e-15. Written as 1 - sin^2(pi x / 2) with the Taylor
/// series of the sine, so that the device needs no trigonometric function (whose range reduction
/// takes stack memory there) and both backends agree.
ADJOINT_HD double half_cosine(double x) {
  const double angle = 1.57079632679489661923 * x;
  const double square = angle * angle;
  double series = 1;
  for (int n = 20; n >= 2; n -= 2) series = 1 - square / (n * (n + 1)) * series;
  const double sine = angle * series;
  return 1 - sine * sine;
}

/// The rate of the update that follows `step` others. With w warm-up steps and T in total:
///
///   step < w            base (step + 1) / (w + 1)     a line from zero just before the first step
///   constant            base
///   cosine, step < T    final + (base - final) (1 + cos(pi (step - w) / (T - w))) / 2
///   cosine, step >= T   final
///
/// The cosine is eq. 5 of Loshchilov and Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm
/// Restarts", without restarts. In double because one thread computes it once a step, and float
/// would count steps only up to 2^24.
ADJOINT_HD double learning_rate(const Schedule& schedule, std::uint64_t step) {
  if (step < schedule.warmup_steps) {
    return schedule.base * (double(step + 1) / double(schedule.warmup_steps + 1));
  }
  if (schedule.kind == Schedule::Kind::constant) return schedule.base;
  if (step >= schedule.total_steps) return schedule.final;
  const double progress =
      double(step - schedule.warmup_steps) / double(schedule.total_steps - schedule.warmup_steps);
  return schedule.final + (schedule.base - schedule.final) * half_cosine(progress);
}

/// Written by kernels/gradient_norm.h once a step, read by the update that follows. Saved with
/// checkpoints as it is, so its layout is part of their format.
struct UpdateState {
  std::uint64_t step;     ///< updates made
  std::uint64_t skipped;  ///< updates not made because the gradient was not finite
  /// 1 - beta^step of Adam's two moving averages; 0 before the first step. Kept rather than a power
  /// computed anew: c' = beta c + (1 - beta).
  double bias_correction1;
  double bias_correction2;

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
};
static_assert(sizeof(UpdateState) == 80);

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
  double gradient_norm;   ///< of the mean gradient, before clipping; NaN or infinite if skipped
  std::uint32_t skipped;  ///< 1 if the update was not made
  std::uint32_t reserved;
};
static_assert(sizeof(StepRecord) == 64);

}  // namespace adjoint
