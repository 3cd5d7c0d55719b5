#include "core/update/schedule_options.h"

#include <cmath>

#include "core/base/kind_registry.h"

namespace adjoint {
namespace {

KindRegistry<ScheduleOptions>& registry() {
  static KindRegistry<ScheduleOptions> entries("schedule");
  return entries;
}

}  // namespace

void check_schedule(const Schedule& schedule, std::string_view name) {
  ADJOINT_CHECK(std::isfinite(schedule.base) && schedule.base >= 0,
                "Schedule: expected a finite learning rate of 0 or more, got ", schedule.base);
  ADJOINT_CHECK(std::isfinite(schedule.final) && schedule.final >= 0,
                "Schedule: expected a finite final learning rate of 0 or more, got ",
                schedule.final);
  ADJOINT_CHECK(schedule.final <= schedule.base, "Schedule: the final learning rate ",
                schedule.final, " is above the base rate ", schedule.base, "; a ", name,
                name.empty() ? "" : " ", "schedule falls");
  ADJOINT_CHECK(well_formed(schedule), "Schedule: expected one that is made of options, as ",
                "cosine(3e-4, 10000) does; this one would divide by zero");
}

void check_run(std::string_view name, std::uint64_t least, std::uint64_t warmup_steps,
               std::uint64_t total_steps) {
  ADJOINT_CHECK(total_steps > 0, "Schedule: a ", name,
                " schedule needs the number of steps of the run, got 0");
  ADJOINT_CHECK(warmup_steps < total_steps, "Schedule: a warm-up of ", warmup_steps,
                " steps does not fit in a run of ", total_steps,
                "; shorten the warm-up or lengthen the run");
  ADJOINT_CHECK(total_steps - warmup_steps >= least, "Schedule: a ", name,
                " schedule needs at least ", least, " steps after the warm-up, got ",
                total_steps - warmup_steps);
}

bool enter_schedule(const std::string& kind, const ScheduleOptions& defaults, const char* abi) {
  return registry().add_once(kind, defaults, abi);
}

std::vector<std::string> schedule_kinds() { return registry().kinds(); }

ScheduleOptions default_schedule_options(const std::string& kind) { return registry().find(kind); }

}  // namespace adjoint
