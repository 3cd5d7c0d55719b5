// Learning rates as a function of the step, as the device evaluates them: in double, because one
// thread computes one once a step, and float would count steps only up to 2^24.
#pragma once

#include <cstdint>

#include "core/device/hd.h"

namespace adjoint {

/// See learning_rate(). Made by a schedule's options (core/update/schedule_options.h), which check
/// the ranges.
struct Schedule {
  enum class Kind : std::uint8_t {
    constant,
    step,
    multi_step,
    exponential,
    polynomial,
    cosine,
    cosine_restarts,
    one_cycle,
    warmup_stable_decay,
    plateau
  };
  static constexpr int kMilestones = 16;

  Kind kind = Kind::constant;
  double base = 1e-3;              ///< highest rate, reached after the warm-up
  double final = 0;                ///< where a rate that falls ends; plateau: never below it
  std::uint64_t warmup_steps = 0;  ///< steps of linear increase, to the rate that then follows
  /// Steps of the run, warm-up included: of polynomial, cosine, one_cycle, warmup_stable_decay.
  std::uint64_t total_steps = 0;
  double gamma = 1;          ///< factor of each fall
  std::uint64_t period = 0;  ///< step: between falls; restarts: the first cycle; of the decay
  std::uint64_t period_factor = 1;  ///< restarts: each cycle is so many times as long as the last
  double power = 1;                 ///< shape of polynomial and of warmup_stable_decay's decay
  double start = 0;                 ///< one_cycle: the rate it begins with
  double rise = 0.3;                ///< one_cycle: part of the steps in which the rate rises
  /// multi_step: steps of the run at which the rate falls, ascending; 0 after the last.
  std::uint64_t milestones[kMilestones] = {};
  // plateau, see kernels/observe_loss.h:
  std::uint32_t patience = 0;
  std::uint32_t cooldown = 0;
  double threshold = 0;
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

/// base^exponent by squaring; the relative error is about exponent times that of a product.
ADJOINT_HD double integer_power(double base, std::uint64_t exponent) {
  double power = 1;
  for (; exponent > 0; exponent >>= 1, base *= base) {
    if ((exponent & 1) != 0) power *= base;
  }
  return power;
}

/// x^power for x in [0, 1] and power > 0, to some 1e-15: e^(power ln x), with the series of atanh
/// and of e^r. The device's pow() would cost the whole kernel registers, for one thread once a
/// step.
ADJOINT_HD double fraction_power(double x, double power) {
  constexpr double kLn2 = 0.693147180559945309417;
  if (power == 1 || x <= 0) return x;
  int twos = 0;
  for (; x < 0.70710678118654752; x *= 2) ++twos;
  const double s = (x - 1) / (x + 1), square = s * s;
  double series = 0;
  for (int n = 25; n >= 1; n -= 2) series = series * square + 1.0 / n;
  double exponent = power * (2 * s * series - twos * kLn2);
  if (exponent < -750) return 0;
  int halves = int(-exponent / kLn2);
  exponent += halves * kLn2;
  double result = 1;
  for (int n = 20; n >= 1; --n) result = 1 + exponent / n * result;
  for (; halves > 0; --halves) result *= 0.5;
  return result;
}

/// Whether validation losses lower the rate, told by Optimizer::observe().
ADJOINT_HD bool observes_losses(const Schedule& schedule) {
  return schedule.kind == Schedule::Kind::plateau;
}

/// Whether the formulas below divide by nothing but numbers above 0. Schedules that are made of
/// options always are.
ADJOINT_HD bool well_formed(const Schedule& schedule) {
  using Kind = Schedule::Kind;
  const bool ends = schedule.warmup_steps < schedule.total_steps;
  switch (schedule.kind) {
    case Kind::step:
      return schedule.period > 0;
    case Kind::cosine_restarts:
      return schedule.period > 0 && schedule.period_factor > 0;
    case Kind::polynomial:
    case Kind::cosine:
    case Kind::one_cycle:
      return ends;
    case Kind::warmup_stable_decay:
      return ends && schedule.period > 0 &&
             schedule.period <= schedule.total_steps - schedule.warmup_steps;
    case Kind::constant:
    case Kind::multi_step:
    case Kind::exponential:
    case Kind::plateau:
      return true;
  }
  return false;
}

namespace detail {

ADJOINT_HD double between(double from, double to, double share_of_from) {
  return to + (from - to) * share_of_from;
}

ADJOINT_HD double multi_step_rate(const Schedule& schedule, std::uint64_t step) {
  double rate = schedule.base;
  for (int i = 0; i < Schedule::kMilestones; ++i) {
    if (schedule.milestones[i] != 0 && step >= schedule.milestones[i]) rate *= schedule.gamma;
  }
  return rate;
}

ADJOINT_HD double restarting_rate(const Schedule& schedule, std::uint64_t step) {
  std::uint64_t cycle = schedule.period;
  if (schedule.period_factor == 1) step %= cycle;
  while (step >= cycle) {
    step -= cycle;
    cycle *= schedule.period_factor;
  }
  return between(schedule.base, schedule.final, half_cosine(double(step) / double(cycle)));
}

ADJOINT_HD double one_cycle_rate(const Schedule& schedule, double step, double steps) {
  const double top = schedule.rise * steps - 1 > 0 ? schedule.rise * steps - 1 : 0;
  if (step < top) return between(schedule.start, schedule.base, half_cosine(step / top));
  return between(schedule.base, schedule.final, half_cosine((step - top) / (steps - 1 - top)));
}

/// After the warm-up, `step` steps of it; step < steps in the kinds that have an end.
ADJOINT_HD double main_rate(const Schedule& schedule, std::uint64_t step) {
  using Kind = Schedule::Kind;
  const std::uint64_t steps = schedule.total_steps - schedule.warmup_steps;
  const double progress = double(step) / double(steps);
  switch (schedule.kind) {
    case Kind::step:
      return schedule.base * integer_power(schedule.gamma, step / schedule.period);
    case Kind::multi_step:
      return multi_step_rate(schedule, step + schedule.warmup_steps);
    case Kind::exponential:
      return schedule.base * integer_power(schedule.gamma, step);
    case Kind::cosine_restarts:
      return restarting_rate(schedule, step);
    case Kind::constant:
    case Kind::plateau:
      return schedule.base;
    default:
      break;
  }
  if (step >= steps) return schedule.final;
  if (schedule.kind == Kind::one_cycle)
    return one_cycle_rate(schedule, double(step), double(steps));
  if (schedule.kind == Kind::cosine)
    return between(schedule.base, schedule.final, half_cosine(progress));
  if (schedule.kind == Kind::polynomial)
    return between(schedule.base, schedule.final, fraction_power(1 - progress, schedule.power));
  const std::uint64_t stable = steps - schedule.period;
  if (step < stable) return schedule.base;
  const double decayed = double(step - stable) / double(schedule.period);
  return between(schedule.base, schedule.final, 1 - fraction_power(decayed, schedule.power));
}

}  // namespace detail

/// The rate of the update that follows `step` others. With w warm-up steps, T in total, t = step -
/// w and x = t / (T - w):
///
///   step < w              r(0) (step + 1) / (w + 1), r(0) being what follows the warm-up: a line
///                         from zero just before the first step
///   constant, plateau     base (a plateau's factor is applied to it: observe_loss.h)
///   step                  base gamma^floor(t / period)
///   multi_step            base gamma^(milestones that step has reached)
///   exponential           base gamma^t
///   polynomial            final + (base - final) (1 - x)^power
///   cosine                final + (base - final) (1 + cos(pi x)) / 2
///   cosine_restarts       the same, x running from 0 to 1 in each of cycles of period,
///                         period period_factor, period period_factor^2, ... steps
///   one_cycle             half a cosine from `start` to base in the first rise (T - w) - 1 steps,
///                         half a cosine on to final at step T - 1
///   warmup_stable_decay   base; in the last `period` steps final + (base - final) (1 - y^power),
///                         y running from 0 to 1
///
/// and `final` from step T on in those that have an end. The cosines are eq. 5 of Loshchilov and
/// Hutter 2017, "SGDR: Stochastic Gradient Descent with Warm Restarts"; one_cycle is that of Smith
/// and Topin 2019, "Super-Convergence", counted as PyTorch does; the last is that of Hu et al.
/// 2024, "MiniCPM", whose decay with power 0.5 is the one of Haegele et al. 2024.
ADJOINT_HD double learning_rate(const Schedule& schedule, std::uint64_t step) {
  if (step >= schedule.warmup_steps) {
    return detail::main_rate(schedule, step - schedule.warmup_steps);
  }
  return detail::main_rate(schedule, 0) * (double(step + 1) / double(schedule.warmup_steps + 1));
}

}  // namespace adjoint
