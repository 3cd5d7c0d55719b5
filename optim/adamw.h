// AdamW: Adam with decoupled weight decay, Loshchilov and Hutter 2019. The formulas stand in
// kernels/adamw.h.
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace adjoint::inline ADJOINT_BACKEND {

struct AdamWOptions {
  double learning_rate = 1e-3;
  double beta1 = 0.9;          ///< decay of the mean of gradients, in [0, 1)
  double beta2 = 0.999;        ///< decay of the mean of their squares, in [0, 1)
  double epsilon = 1e-8;       ///< added to the root of that mean, >= 0
  double weight_decay = 0.01;  ///< times the learning rate, taken off the parameters; >= 0
  std::optional<Schedule> schedule = {};  ///< instead of a constant learning_rate
  double clip_norm = 0;                   ///< see OptimizerOptions
  double loss_scale = 1;
};

/// With float32 parameters, a step whose gradient (the mean, after clipping) is longer than 1.8e19
/// is skipped like one that is not finite: its square would make v infinite for ever.
class AdamW final : public Optimizer {
 public:
  /// Throws Error if an option is out of range.
  AdamW(Context& context, const ParameterSlab& slab, const AdamWOptions& options = {});
  std::string name() const override { return "AdamW"; }

 private:
  void configure(GradientNorm& norm) const override;
  void update(Stream& stream) override;

  AdamWOptions adamw_;
  Tensor m_, v_;
};

}  // namespace adjoint::inline ADJOINT_BACKEND
