// Learning-rate schedules, checked. The formulas stand at learning_rate() in
// kernels/learning_rate.h, where the device evaluates them. All counts are updates. Each throws
// Error for a rate that is negative or not finite, for a final rate above the base rate, for counts
// of 0, for factors that do not make the rate fall, and where run and warm-up leave no step for the
// schedule. A run that goes on beyond total_steps keeps the final rate; one that ends earlier has
// not come to it, and milestones beyond its end are never reached.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/update_state.h"

namespace adjoint {

struct WarmupOptions {
  std::uint64_t warmup_steps = 0;
};

struct CosineOptions {
  std::uint64_t warmup_steps = 0;
  double final = 0;  ///< rate at the end
};

struct PolynomialOptions {
  std::uint64_t warmup_steps = 0;
  double final = 0;
  double power = 1;  ///< > 0
};

struct RestartOptions {
  std::uint64_t warmup_steps = 0;
  double final = 0;                ///< rate at the end of each cycle
  std::uint64_t cycle_factor = 1;  ///< each cycle is so many times as long as the last
};

struct OneCycleOptions {
  std::uint64_t warmup_steps = 0;
  double rise = 0.3;           ///< part of the steps in which the rate rises, in (0, 1)
  double start_divisor = 25;   ///< it begins with rate / start_divisor, >= 1
  double final_divisor = 1e4;  ///< and ends with that / final_divisor, >= 1
};

struct StableDecayOptions {
  std::uint64_t warmup_steps = 0;
  double final = 0;
  double power = 1;  ///< > 0; 1: a line, 0.5: 1 - sqrt
};

struct PlateauOptions {
  std::uint64_t warmup_steps = 0;
  double factor = 0.1;          ///< of each fall, in (0, 1)
  std::uint32_t patience = 10;  ///< validations in a row that may be no better
  std::uint32_t cooldown = 0;   ///< validations after a fall that do not count
  double threshold = 1e-4;      ///< part by which the loss must fall to be better, in [0, 1)
  double final = 0;             ///< the rate never falls below it
};

/// `rate` throughout.
Schedule constant(double rate, const WarmupOptions& options = {});
/// Times `gamma`, in (0, 1], every `period` steps.
Schedule step_decay(double rate, std::uint64_t period, double gamma,
                    const WarmupOptions& options = {});
/// Times `gamma` at each milestone: steps of the run, ascending, above the warm-up, at most 16.
Schedule multi_step(double rate, const std::vector<std::uint64_t>& milestones, double gamma,
                    const WarmupOptions& options = {});
/// Times `gamma`, in (0, 1], every step.
Schedule exponential(double rate, double gamma, const WarmupOptions& options = {});
/// From `rate` to `options.final` at total_steps, which counts the warm-up too, here and below.
Schedule polynomial(double rate, std::uint64_t total_steps, const PolynomialOptions& options = {});
/// From `rate` down to `options.final` along half a cosine.
Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options = {});
/// Half a cosine again and again, the first of `cycle` steps.
Schedule cosine_restarts(double rate, std::uint64_t cycle, const RestartOptions& options = {});
/// Up to `rate` and down again, each along half a cosine. At least 2 steps after the warm-up.
Schedule one_cycle(double rate, std::uint64_t total_steps, const OneCycleOptions& options = {});
/// `rate` until the last `decay_steps` steps, which bring it to `options.final`.
Schedule warmup_stable_decay(double rate, std::uint64_t total_steps, std::uint64_t decay_steps,
                             const StableDecayOptions& options = {});
/// Falls where Optimizer::observe() is told losses that no longer fall.
Schedule plateau(double rate, const PlateauOptions& options = {});

/// Throws Error if the schedule, however it was made, is none of the above.
void check_schedule(const Schedule& schedule);

}  // namespace adjoint
