// Learning-rate schedules: a struct of options each, its kind, keys, bounds and defaults
// (core/update/schedule_options.h says what a struct must have), and a function that makes it in
// C++. The formulas stand at learning_rate() in kernels/learning_rate.h, where the device evaluates
// them. All counts are updates. Each function throws Error for a rate that is negative or not
// finite, for a final rate above the base rate, for counts of 0, for factors that do not make the
// rate fall, and where run and warm-up leave no step for the schedule. A run that goes on beyond
// total_steps keeps the final rate; one that ends earlier has not come to it, and milestones beyond
// its end are never reached.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/learning_rate.h"

namespace adjoint {

/// What a schedule without other options is told.
struct WarmupOptions {
  std::uint64_t warmup_steps = 0;
};

/// `rate` throughout.
struct ConstantOptions {
  static constexpr const char* kName = "constant";
  static constexpr const char* kType = "constant";
  std::uint64_t warmup_steps = 0;

  bool operator==(const ConstantOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
  }
};

/// Times `gamma`, in (0, 1], every `period` steps.
struct StepDecayOptions {
  static constexpr const char* kName = "step";
  static constexpr const char* kType = "step";
  std::uint64_t warmup_steps = 0;
  std::uint64_t period = 0;
  double gamma = 0.1;

  bool operator==(const StepDecayOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.factor("gamma", o.gamma);
    visitor.required_steps("period", o.period, "a period");
  }
};

/// Times `gamma` at each milestone: steps of the run, ascending, above the warm-up, at most 16.
struct MultiStepOptions {
  static constexpr const char* kName = "multi-step";
  static constexpr const char* kType = "multi_step";
  std::uint64_t warmup_steps = 0;
  std::vector<std::uint64_t> milestones = {};
  double gamma = 0.1;

  bool operator==(const MultiStepOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.factor("gamma", o.gamma);
    visitor.milestones("milestones", o.milestones, o.warmup_steps);
  }
};

/// Times `gamma`, in (0, 1], every step.
struct ExponentialOptions {
  static constexpr const char* kName = "exponential";
  static constexpr const char* kType = "exponential";
  std::uint64_t warmup_steps = 0;
  double gamma = 1;

  bool operator==(const ExponentialOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.required_factor("gamma", o.gamma);
  }
};

/// From `rate` to `final` at total_steps, which counts the warm-up too, here and below.
struct PolynomialOptions {
  static constexpr const char* kName = "polynomial";
  static constexpr const char* kType = "polynomial";
  static constexpr std::uint64_t kLeastSteps = 1;
  std::uint64_t warmup_steps = 0;
  double final = 0;  ///< rate at the end
  double power = 1;  ///< > 0

  bool operator==(const PolynomialOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.final_rate(o.final);
    visitor.positive("power", o.power);
  }
};

/// From `rate` down to `final` along half a cosine.
struct CosineOptions {
  static constexpr const char* kName = "cosine";
  static constexpr const char* kType = "cosine";
  static constexpr std::uint64_t kLeastSteps = 1;
  std::uint64_t warmup_steps = 0;
  double final = 0;  ///< rate at the end

  bool operator==(const CosineOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.final_rate(o.final);
  }
};

/// Half a cosine again and again, the first of `cycle` steps.
struct RestartOptions {
  static constexpr const char* kName = "restarting cosine";
  static constexpr const char* kType = "cosine_restarts";
  std::uint64_t warmup_steps = 0;
  double final = 0;                ///< rate at the end of each cycle
  std::uint64_t cycle_factor = 1;  ///< each cycle is so many times as long as the last
  std::uint64_t cycle = 0;         ///< in C++ an argument of cosine_restarts()

  bool operator==(const RestartOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.final_rate(o.final);
    visitor.required_steps("cycle", o.cycle, "a first cycle");
    visitor.count("cycle_factor", o.cycle_factor, 1);
  }
};

/// Up to `rate` and down again, each along half a cosine. At least 2 steps after the warm-up.
struct OneCycleOptions {
  static constexpr const char* kName = "one-cycle";
  static constexpr const char* kType = "one_cycle";
  static constexpr std::uint64_t kLeastSteps = 2;
  std::uint64_t warmup_steps = 0;
  double rise = 0.3;           ///< part of the steps in which the rate rises, in (0, 1)
  double start_divisor = 25;   ///< it begins with rate / start_divisor, >= 1
  double final_divisor = 1e4;  ///< and ends with that / final_divisor, >= 1

  bool operator==(const OneCycleOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.part("rise", o.rise);
    visitor.divisor("start_divisor", o.start_divisor);
    visitor.divisor("final_divisor", o.final_divisor);
  }
};

/// `rate` until the last `decay_steps` steps, which bring it to `final`.
struct StableDecayOptions {
  static constexpr const char* kName = "warm-up-stable-decay";
  static constexpr const char* kType = "warmup_stable_decay";
  static constexpr std::uint64_t kLeastSteps = 1;
  std::uint64_t warmup_steps = 0;
  double final = 0;
  double power = 1;  ///< > 0; 1: a line, 0.5: 1 - sqrt
  /// In C++ an argument of warmup_stable_decay(); 0 in recipes: a fifth of what the warm-up leaves.
  std::uint64_t decay_steps = 0;

  bool operator==(const StableDecayOptions&) const = default;
  void fit(std::uint64_t left);
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.final_rate(o.final);
    visitor.positive("power", o.power);
    visitor.count("decay_steps", o.decay_steps);
  }
};

/// Falls where Optimizer::observe() is told losses that no longer fall.
struct PlateauOptions {
  static constexpr const char* kName = "plateau";
  static constexpr const char* kType = "plateau";
  std::uint64_t warmup_steps = 0;
  double factor = 0.1;          ///< of each fall, in (0, 1); `gamma` in recipes
  std::uint32_t patience = 10;  ///< validations in a row that may be no better
  std::uint32_t cooldown = 0;   ///< validations after a fall that do not count
  double threshold = 1e-4;      ///< part by which the loss must fall to be better, in [0, 1)
  double final = 0;             ///< the rate never falls below it

  bool operator==(const PlateauOptions&) const = default;
  Schedule schedule(double rate, std::uint64_t total_steps) const;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.final_rate(o.final);
    visitor.factor("gamma", o.factor, false);
    visitor.count("patience", o.patience);
    visitor.count("cooldown", o.cooldown);
    visitor.fraction("threshold", o.threshold);
  }
};

Schedule constant(double rate, const WarmupOptions& options = {});
Schedule step_decay(double rate, std::uint64_t period, double gamma,
                    const WarmupOptions& options = {});
Schedule multi_step(double rate, const std::vector<std::uint64_t>& milestones, double gamma,
                    const WarmupOptions& options = {});
Schedule exponential(double rate, double gamma, const WarmupOptions& options = {});
Schedule polynomial(double rate, std::uint64_t total_steps, const PolynomialOptions& options = {});
Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options = {});
Schedule cosine_restarts(double rate, std::uint64_t cycle, const RestartOptions& options = {});
Schedule one_cycle(double rate, std::uint64_t total_steps, const OneCycleOptions& options = {});
Schedule warmup_stable_decay(double rate, std::uint64_t total_steps, std::uint64_t decay_steps,
                             const StableDecayOptions& options = {});
Schedule plateau(double rate, const PlateauOptions& options = {});

}  // namespace adjoint
