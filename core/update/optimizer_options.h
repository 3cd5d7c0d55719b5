// What every optimizer can be told, whatever its update rule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/update_state.h"

namespace adjoint {

/// Settings for some of the parameters: those that fit all that is given.
struct ParameterGroup {
  std::string match = "*";                  ///< glob over names: "*.bias", "layer_norm*"
  std::optional<std::int64_t> rank = {};    ///< axes of the parameter: 1 for biases and norms
  std::optional<double> weight_decay = {};  ///< instead of the rule's
  double lr_scale = 1;                      ///< times the learning rate, >= 0

  bool operator==(const ParameterGroup&) const = default;
};

struct OptimizerOptions {
  /// Instead of the rule's constant learning_rate; made by a schedule of optim/schedules.h or a
  /// plugin's.
  std::optional<Schedule> schedule = {};
  /// Whether a step reads the whole gradient before it changes anything, for its norm and to skip a
  /// step whose gradient is not finite. Without, it saves one of SGD's four passes over memory, of
  /// Adam's eight; but nothing is skipped, so that one infinity can spoil the model for good.
  bool check_gradient = true;
  /// The norm of the mean gradient over all parameters is clipped to this (Pascanu et al. 2013);
  /// 0: no clipping.
  double clip_norm = 0;
  /// After that, every element of it to [-clip_value, clip_value]; 0: no clipping.
  double clip_value = 0;
  /// What losses multiply their gradients by, at first; the optimizer writes it to
  /// Context::loss_scale() and divides it out of the gradient.
  double loss_scale = 1;
  /// Whether and how it then changes: for float16.
  LossScaling scaling = {};
  /// The first group that a parameter belongs to counts.
  std::vector<ParameterGroup> groups = {};
  /// Decay of a moving average of parameters and running state, kept beside them, in [0, 1); 0:
  /// none.
  double ema = 0;
  /// Whether that decay grows with the updates, min(ema, (1 + t) / (10 + t)) at update t, as in
  /// TensorFlow's ExponentialMovingAverage (num_updates): 0.25 at the second, 0.92 at the
  /// hundredth.
  bool ema_warmup = false;
};

/// Throws Error, beginning with `name`, if an option is out of range.
void check_options(const std::string& name, const OptimizerOptions& options);

}  // namespace adjoint
