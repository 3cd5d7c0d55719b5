// Learning-rate schedules, checked. The formulas stand at learning_rate() in
// kernels/update_state.h, where the device evaluates them.
#pragma once

#include <cstdint>

#include "kernels/update_state.h"

namespace adjoint {

struct WarmupOptions {
  std::uint64_t warmup_steps = 0;
};

struct CosineOptions {
  std::uint64_t warmup_steps = 0;
  double final = 0;  ///< rate at the end
};

/// `rate` throughout, after a linear warm-up. Throws Error unless the rate is finite and >= 0.
Schedule constant(double rate, const WarmupOptions& options = {});

/// From `rate` down to `options.final` along half a cosine, after a linear warm-up; total_steps
/// counts both. Throws Error if a rate is negative or not finite, the final rate is above the base
/// rate, the run has no steps, or the warm-up leaves none for the cosine.
Schedule cosine(double rate, std::uint64_t total_steps, const CosineOptions& options = {});

/// Throws Error if the schedule, however it was made, is none of the above.
void check_schedule(const Schedule& schedule);

}  // namespace adjoint
