#include "optim/schedule.h"

#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

using Kind = Schedule::Kind;

const char* kind_text(Kind kind) {
  switch (kind) {
    case Kind::constant:
      return "constant";
    case Kind::step:
      return "step";
    case Kind::multi_step:
      return "multi-step";
    case Kind::exponential:
      return "exponential";
    case Kind::polynomial:
      return "polynomial";
    case Kind::cosine:
      return "cosine";
    case Kind::cosine_restarts:
      return "restarting cosine";
    case Kind::one_cycle:
      return "one-cycle";
    case Kind::warmup_stable_decay:
      return "warm-up-stable-decay";
    case Kind::plateau:
      return "plateau";
  }
  ADJOINT_FAIL("Schedule: unknown kind ", int(kind));
}

Schedule checked(const Schedule& schedule) {
  check_schedule(schedule);
  return schedule;
}

bool has_end(Kind kind) {
  return kind == Kind::polynomial || kind == Kind::cosine || kind == Kind::one_cycle ||
         kind == Kind::warmup_stable_decay;
}

void check_rates(const Schedule& schedule) {
  ADJOINT_CHECK(std::isfinite(schedule.base) && schedule.base >= 0,
                "Schedule: expected a finite learning rate of 0 or more, got ", schedule.base);
  if (!has_end(schedule.kind) && schedule.kind != Kind::cosine_restarts &&
      schedule.kind != Kind::plateau)
    return;
  ADJOINT_CHECK(std::isfinite(schedule.final) && schedule.final >= 0,
                "Schedule: expected a finite final learning rate of 0 or more, got ",
                schedule.final);
  ADJOINT_CHECK(schedule.final <= schedule.base, "Schedule: the final learning rate ",
                schedule.final, " is above the base rate ", schedule.base, "; a ",
                kind_text(schedule.kind), " schedule falls");
}

void check_run(const Schedule& schedule) {
  if (!has_end(schedule.kind)) return;
  ADJOINT_CHECK(schedule.total_steps > 0, "Schedule: a ", kind_text(schedule.kind),
                " schedule needs the number of steps of the run, got 0");
  ADJOINT_CHECK(schedule.warmup_steps < schedule.total_steps, "Schedule: a warm-up of ",
                schedule.warmup_steps, " steps does not fit in a run of ", schedule.total_steps,
                "; shorten the warm-up or lengthen the run");
  const std::uint64_t left = schedule.total_steps - schedule.warmup_steps;
  ADJOINT_CHECK(schedule.kind != Kind::one_cycle || left >= 2,
                "Schedule: a one-cycle schedule needs at least 2 steps after the warm-up, got ",
                left);
  ADJOINT_CHECK(schedule.kind != Kind::warmup_stable_decay ||
                    (schedule.period > 0 && schedule.period <= left),
                "Schedule: a decay of ", schedule.period, " steps, expected 1 to the ", left,
                " that the warm-up leaves of the run");
}

void check_milestones(const Schedule& schedule) {
  ADJOINT_CHECK(schedule.milestones[0] != 0,
                "Schedule: a multi-step schedule needs at least one milestone above 0");
  std::uint64_t last = schedule.warmup_steps;
  bool ended = false;
  for (const std::uint64_t milestone : schedule.milestones) {
    ended = ended || milestone == 0;
    if (ended && milestone == 0) continue;
    ADJOINT_CHECK(!ended && milestone > last, "Schedule: expected milestones that ascend and lie ",
                  "beyond the warm-up of ", schedule.warmup_steps, " steps, got ", milestone,
                  " after ", last);
    last = milestone;
  }
}

void check_shape(const Schedule& schedule) {
  const auto gamma = [&](bool below_one) {
    ADJOINT_CHECK(schedule.gamma > 0 && (below_one ? schedule.gamma < 1 : schedule.gamma <= 1),
                  "Schedule: expected a factor above 0 and ", below_one ? "below 1" : "at most 1",
                  " for a ", kind_text(schedule.kind), " schedule, got ", schedule.gamma);
  };
  const auto counted = [&](std::uint64_t steps, const char* what) {
    ADJOINT_CHECK(steps > 0, "Schedule: expected ", what, " of at least 1 step, got 0");
  };
  switch (schedule.kind) {
    case Kind::step:
      counted(schedule.period, "a period");
      return gamma(false);
    case Kind::multi_step:
      check_milestones(schedule);
      return gamma(false);
    case Kind::exponential:
      return gamma(false);
    case Kind::cosine_restarts:
      counted(schedule.period, "a first cycle");
      return counted(schedule.period_factor, "a cycle factor");
    case Kind::polynomial:
    case Kind::warmup_stable_decay:
      ADJOINT_CHECK(schedule.power > 0 && std::isfinite(schedule.power),
                    "Schedule: expected a finite power above 0, got ", schedule.power);
      return;
    case Kind::one_cycle:
      ADJOINT_CHECK(schedule.rise > 0 && schedule.rise < 1,
                    "Schedule: expected a rise between 0 and 1, a part of the steps, got ",
                    schedule.rise);
      ADJOINT_CHECK(schedule.start >= 0 && schedule.start <= schedule.base,
                    "Schedule: expected a one-cycle schedule to start between 0 and its rate ",
                    schedule.base, ", got ", schedule.start);
      return;
    case Kind::plateau:
      ADJOINT_CHECK(schedule.threshold >= 0 && schedule.threshold < 1,
                    "Schedule: expected a threshold of 0 or more and below 1, got ",
                    schedule.threshold);
      return gamma(true);
    default:
      return;
  }
}

}  // namespace

Schedule constant(double rate, const WarmupOptions& options) {
  return checked({.base = rate, .final = rate, .warmup_steps = options.warmup_steps});
}

Schedule step_decay(double rate, std::uint64_t period, double gamma, const WarmupOptions& options) {
  return checked({.kind = Kind::step,
                  .base = rate,
                  .warmup_steps = options.warmup_steps,
                  .gamma = gamma,
                  .period = period});
}

Schedule multi_step(double rate, const std::vector<std::uint64_t>& milestones, double gamma,
                    const WarmupOptions& options) {
  ADJOINT_CHECK(milestones.size() <= Schedule::kMilestones, "Schedule: expected at most ",
                Schedule::kMilestones, " milestones, got ", milestones.size());
  Schedule schedule{
      .kind = Kind::multi_step, .base = rate, .warmup_steps = options.warmup_steps, .gamma = gamma};
  for (std::size_t i = 0; i < milestones.size(); ++i) schedule.milestones[i] = milestones[i];
  return checked(schedule);
}

Schedule exponential(double rate, double gamma, const WarmupOptions& options) {
  return checked({.kind = Kind::exponential,
                  .base = rate,
                  .warmup_steps = options.warmup_steps,
                  .gamma = gamma});
}

Schedule polynomial(double rate, std::uint64_t total_steps, const PolynomialOptions& options) {
  return checked({.kind = Kind::polynomial,
                  .base = rate,
                  .final = options.final,
                  .warmup_steps = options.warmup_steps,
                  .total_steps = total_steps,
                  .power = options.power});
}

Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options) {
  return checked({.kind = Kind::cosine,
                  .base = rate,
                  .final = options.final,
                  .warmup_steps = options.warmup_steps,
                  .total_steps = total_steps});
}

Schedule cosine_restarts(double rate, std::uint64_t cycle, const RestartOptions& options) {
  return checked({.kind = Kind::cosine_restarts,
                  .base = rate,
                  .final = options.final,
                  .warmup_steps = options.warmup_steps,
                  .period = cycle,
                  .period_factor = options.cycle_factor});
}

Schedule one_cycle(double rate, std::uint64_t total_steps, const OneCycleOptions& options) {
  const auto divisor = [](const char* what, double value) {
    ADJOINT_CHECK(value >= 1 && std::isfinite(value), "Schedule: expected a ", what,
                  " of 1 or more, got ", value);
  };
  divisor("start_divisor", options.start_divisor);
  divisor("final_divisor", options.final_divisor);
  return checked({.kind = Kind::one_cycle,
                  .base = rate,
                  .final = rate / options.start_divisor / options.final_divisor,
                  .warmup_steps = options.warmup_steps,
                  .total_steps = total_steps,
                  .start = rate / options.start_divisor,
                  .rise = options.rise});
}

Schedule warmup_stable_decay(double rate, std::uint64_t total_steps, std::uint64_t decay_steps,
                             const StableDecayOptions& options) {
  return checked({.kind = Kind::warmup_stable_decay,
                  .base = rate,
                  .final = options.final,
                  .warmup_steps = options.warmup_steps,
                  .total_steps = total_steps,
                  .period = decay_steps,
                  .power = options.power});
}

Schedule plateau(double rate, const PlateauOptions& options) {
  return checked({.kind = Kind::plateau,
                  .base = rate,
                  .final = options.final,
                  .warmup_steps = options.warmup_steps,
                  .gamma = options.factor,
                  .patience = options.patience,
                  .cooldown = options.cooldown,
                  .threshold = options.threshold});
}

void check_schedule(const Schedule& schedule) {
  check_rates(schedule);
  check_run(schedule);
  check_shape(schedule);
}

}  // namespace adjoint
