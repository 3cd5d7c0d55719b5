#include "optim/schedule.h"

#include <cmath>

#include "core/base/error.h"

namespace adjoint {

Schedule constant(double rate, const WarmupOptions& options) {
  const Schedule schedule{.kind = Schedule::Kind::constant,
                          .base = rate,
                          .final = rate,
                          .warmup_steps = options.warmup_steps,
                          .total_steps = 0};
  check_schedule(schedule);
  return schedule;
}

Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options) {
  const Schedule schedule{.kind = Schedule::Kind::cosine,
                          .base = rate,
                          .final = options.final,
                          .warmup_steps = options.warmup_steps,
                          .total_steps = total_steps};
  check_schedule(schedule);
  return schedule;
}

void check_schedule(const Schedule& schedule) {
  ADJOINT_CHECK(std::isfinite(schedule.base) && schedule.base >= 0,
                "Schedule: expected a finite learning rate of 0 or more, got ", schedule.base);
  if (schedule.kind == Schedule::Kind::constant) return;
  ADJOINT_CHECK(std::isfinite(schedule.final) && schedule.final >= 0,
                "Schedule: expected a finite final learning rate of 0 or more, got ",
                schedule.final);
  ADJOINT_CHECK(schedule.final <= schedule.base, "Schedule: the final learning rate ",
                schedule.final, " is above the base rate ", schedule.base,
                "; a cosine schedule falls");
  ADJOINT_CHECK(schedule.total_steps > 0,
                "Schedule: a cosine schedule needs the number of steps of the run, got 0");
  ADJOINT_CHECK(schedule.warmup_steps < schedule.total_steps, "Schedule: a warm-up of ",
                schedule.warmup_steps, " steps does not fit in a run of ", schedule.total_steps,
                "; shorten the warm-up or lengthen the run");
}

}  // namespace adjoint
