#include "optim/schedules.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/update/schedule_options.h"

namespace adjoint {
namespace {

using Kind = Schedule::Kind;

template <class... Schedules>
bool register_schedules() {
  return (register_schedule(Schedules{}) && ...);
}

const bool registered =
    register_schedules<ConstantOptions, StepDecayOptions, MultiStepOptions, ExponentialOptions,
                       PolynomialOptions, CosineOptions, RestartOptions, OneCycleOptions,
                       StableDecayOptions, PlateauOptions>();

}  // namespace

Schedule ConstantOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  return {.base = rate, .final = rate, .warmup_steps = warmup_steps};
}

Schedule StepDecayOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  return {.kind = Kind::step,
          .base = rate,
          .warmup_steps = warmup_steps,
          .gamma = gamma,
          .period = period};
}

Schedule MultiStepOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  Schedule schedule{
      .kind = Kind::multi_step, .base = rate, .warmup_steps = warmup_steps, .gamma = gamma};
  std::ranges::copy(milestones, schedule.milestones);
  return schedule;
}

Schedule ExponentialOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  return {.kind = Kind::exponential, .base = rate, .warmup_steps = warmup_steps, .gamma = gamma};
}

Schedule PolynomialOptions::schedule(double rate, std::uint64_t total_steps) const {
  return {.kind = Kind::polynomial,
          .base = rate,
          .final = final,
          .warmup_steps = warmup_steps,
          .total_steps = total_steps,
          .power = power};
}

Schedule CosineOptions::schedule(double rate, std::uint64_t total_steps) const {
  return {.kind = Kind::cosine,
          .base = rate,
          .final = final,
          .warmup_steps = warmup_steps,
          .total_steps = total_steps};
}

Schedule RestartOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  return {.kind = Kind::cosine_restarts,
          .base = rate,
          .final = final,
          .warmup_steps = warmup_steps,
          .period = cycle,
          .period_factor = cycle_factor};
}

Schedule OneCycleOptions::schedule(double rate, std::uint64_t total_steps) const {
  return {.kind = Kind::one_cycle,
          .base = rate,
          .final = rate / start_divisor / final_divisor,
          .warmup_steps = warmup_steps,
          .total_steps = total_steps,
          .start = rate / start_divisor,
          .rise = rise};
}

void StableDecayOptions::fit(std::uint64_t left) {
  decay_steps = std::min(decay_steps > 0 ? decay_steps : (left + 4) / 5, left);
}

Schedule StableDecayOptions::schedule(double rate, std::uint64_t total_steps) const {
  const std::uint64_t left = total_steps - warmup_steps;
  ADJOINT_CHECK(decay_steps > 0 && decay_steps <= left, "Schedule: a decay of ", decay_steps,
                " steps, expected 1 to the ", left, " that the warm-up leaves of the run");
  return {.kind = Kind::warmup_stable_decay,
          .base = rate,
          .final = final,
          .warmup_steps = warmup_steps,
          .total_steps = total_steps,
          .period = decay_steps,
          .power = power};
}

Schedule PlateauOptions::schedule(double rate, std::uint64_t /*total_steps*/) const {
  return {.kind = Kind::plateau,
          .base = rate,
          .final = final,
          .warmup_steps = warmup_steps,
          .gamma = factor,
          .patience = patience,
          .cooldown = cooldown,
          .threshold = threshold};
}

Schedule constant(double rate, const WarmupOptions& options) {
  return make_schedule(ConstantOptions{.warmup_steps = options.warmup_steps}, rate);
}

Schedule step_decay(double rate, std::uint64_t period, double gamma, const WarmupOptions& options) {
  return make_schedule(
      StepDecayOptions{.warmup_steps = options.warmup_steps, .period = period, .gamma = gamma},
      rate);
}

Schedule multi_step(double rate, const std::vector<std::uint64_t>& milestones, double gamma,
                    const WarmupOptions& options) {
  return make_schedule(
      MultiStepOptions{
          .warmup_steps = options.warmup_steps, .milestones = milestones, .gamma = gamma},
      rate);
}

Schedule exponential(double rate, double gamma, const WarmupOptions& options) {
  return make_schedule(ExponentialOptions{.warmup_steps = options.warmup_steps, .gamma = gamma},
                       rate);
}

Schedule polynomial(double rate, std::uint64_t total_steps, const PolynomialOptions& options) {
  return make_schedule(options, rate, total_steps);
}

Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options) {
  return make_schedule(options, rate, total_steps);
}

Schedule cosine_restarts(double rate, std::uint64_t cycle, const RestartOptions& options) {
  RestartOptions restarts = options;
  restarts.cycle = cycle;
  return make_schedule(restarts, rate);
}

Schedule one_cycle(double rate, std::uint64_t total_steps, const OneCycleOptions& options) {
  return make_schedule(options, rate, total_steps);
}

Schedule warmup_stable_decay(double rate, std::uint64_t total_steps, std::uint64_t decay_steps,
                             const StableDecayOptions& options) {
  StableDecayOptions decay = options;
  decay.decay_steps = decay_steps;
  return make_schedule(decay, rate, total_steps);
}

Schedule plateau(double rate, const PlateauOptions& options) {
  return make_schedule(options, rate);
}

}  // namespace adjoint
