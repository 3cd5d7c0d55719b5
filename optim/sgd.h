// Stochastic gradient descent, with momentum (Polyak 1964) if asked for. The formulas stand in
// kernels/sgd.h.
#pragma once

#include <optional>

#include "optim/optimizer.h"

namespace adjoint::inline ADJOINT_BACKEND {

struct SgdOptions {
  double learning_rate = 1e-2;
  double momentum = 0;      ///< in [0, 1); 0 keeps no velocity and moves no memory for it
  double weight_decay = 0;  ///< times the parameters, added to the gradient; >= 0
  std::optional<Schedule> schedule = {};  ///< instead of a constant learning_rate
  double clip_norm = 0;                   ///< see OptimizerOptions
  double loss_scale = 1;
};

class Sgd final : public Optimizer {
 public:
  /// Throws Error if an option is out of range.
  Sgd(Context& context, const ParameterSlab& slab, const SgdOptions& options = {});
  std::string name() const override { return "SGD"; }

 private:
  void update(Stream& stream) override;

  SgdOptions sgd_;
  Tensor v_;
};

}  // namespace adjoint::inline ADJOINT_BACKEND
