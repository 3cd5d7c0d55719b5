// The parts of recipes that say how a model is updated: [optim] and [schedule].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/update/optimizer_options.h"
#include "optim/methods.h"

namespace adjoint {

struct OptimizerRecipe {
  /// A method's type: "adamw", "sgd", ... Beside the keys below a recipe gives the method's
  /// options, by their names in optim/methods.h (beta1 and beta2 as betas = [0.9, 0.999]).
  std::string type = "adamw";
  OptimizerMethod method = AdamWOptions{};
  /// The method's own rate unless given; of sgd the momentum is 0.9 unless given.
  double lr = 1e-3;
  /// Largest norm of all gradients together, then largest element; 0: not clipped.
  double clip_norm = 0;
  double clip_value = 0;
  /// Whether an update is skipped whose gradient is not finite; false: faster, and no norm is
  /// known.
  bool check_gradient = true;
  /// Batches whose gradients are added before one update.
  std::int64_t accumulate = 1;
  /// Decay of the moving average of the model that is evaluated and saved; 0: none. With warm-up it
  /// grows with the updates (OptimizerOptions::ema_warmup).
  double ema = 0;
  bool ema_warmup = true;
  /// What the gradients of a loss are multiplied by. Not given: 1, or in float16 a scale that
  /// follows what the gradients do, doubled after growth_interval steps without an overflow.
  std::optional<double> loss_scale = {};
  std::int64_t growth_interval = 2000;
  /// [{match = "*.bias", rank = 1, weight_decay = 0.0, lr_scale = 0.5}, ...]; the first that a
  /// parameter fits counts.
  std::vector<ParameterGroup> groups = {};

  bool operator==(const OptimizerRecipe&) const = default;
};

struct ScheduleRecipe {
  /// The kinds of kernels/learning_rate.h, "constant", "cosine_restarts", ..., after `warmup_steps`
  /// of linear increase. Each has the keys of its formula there. All counts are updates; those that
  /// have an end take the length of the run.
  std::string type = "constant";
  std::int64_t warmup_steps = 0;
  double final_lr = 0;      ///< polynomial, cosine, cosine_restarts, warmup_stable_decay, plateau
  double gamma = 0.1;       ///< step, multi_step, exponential (which has no default), plateau
  std::int64_t period = 0;  ///< step: required
  std::vector<std::int64_t> milestones = {};  ///< multi_step: required
  double power = 1;                           ///< polynomial, warmup_stable_decay
  std::int64_t cycle = 0;                     ///< cosine_restarts: required
  std::int64_t cycle_factor = 1;              ///< cosine_restarts
  double rise = 0.3;                          ///< one_cycle, and the next two
  double start_divisor = 25;
  double final_divisor = 1e4;
  std::int64_t decay_steps = 0;  ///< warmup_stable_decay; 0: a fifth of what the warm-up leaves
  std::int64_t patience = 10;    ///< plateau, and the next two
  std::int64_t cooldown = 0;
  double threshold = 1e-4;

  bool operator==(const ScheduleRecipe&) const = default;
};

/// Each throws Error, naming place and key, for keys it does not know and values out of range.
/// `groups` are the tables of optim.groups.
OptimizerRecipe read_optimizer(Options& options, const std::vector<Options>& groups);
ScheduleRecipe read_schedule(Options& options, double lr);

/// As TOML, every default filled in.
std::string optimizer_text(const OptimizerRecipe& recipe);
std::string schedule_text(const ScheduleRecipe& recipe);

/// The schedule for a run of `total_steps` updates. A run cut short, to try something, should not
/// fail for its warm-up or decay: they are shortened to what fits.
Schedule build_schedule(const ScheduleRecipe& recipe, double lr, std::int64_t total_steps);

}  // namespace adjoint
