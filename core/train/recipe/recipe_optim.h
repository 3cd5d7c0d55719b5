// The parts of recipes that say how a model is updated: [optim] and [schedule].
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/update/optimizer_options.h"
#include "core/update/rule_options.h"
#include "core/update/schedule_options.h"

namespace adjoint {

struct OptimizerRecipe {
  /// Beside the keys below a recipe gives the rule's kind, `type = "adamw"`, and its options, by
  /// their names (beta1 and beta2 as betas = [0.9, 0.999]); see optim/README.md.
  RuleOptions rule = default_rule_options("adamw");
  /// The rule's own rate unless given.
  double lr = rule.learning_rate();
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

/// Each throws Error, naming place and key, for keys it does not know and values out of range.
/// `groups` are the tables of optim.groups.
OptimizerRecipe read_optimizer(Options& options, const std::vector<Options>& groups);
ScheduleOptions read_schedule(Options& options, double lr);

/// As TOML, every default filled in.
std::string optimizer_text(const OptimizerRecipe& recipe);
std::string schedule_text(const ScheduleOptions& schedule);

}  // namespace adjoint
