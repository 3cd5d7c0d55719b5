// UpdateRule: what the Optimizer must know of a method - its moments, what of its bookkeeping is
// computed once a step, and how to launch its update. Made by update_rule() of the method's
// options, in optim/TYPE.cu; a method outside of this project makes one of its own functor by
// slab_rule() (core/update/slab_rule.cuh).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/slab_update.h"
#include "optim/methods.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct Moment {
  std::string name;    ///< "m"; in checkpoints "optimizer.m"
  bool kept = true;    ///< false: not needed with these options; no memory
  double initial = 0;  ///< of each element
};

struct UpdateRule {
  std::string name = {};  ///< "AdamW", for reports and errors
  std::vector<Moment> moments = {};
  double learning_rate = 1e-3;  ///< unless the optimizer's options have a schedule
  double weight_decay = 0;      ///< of parameters that no group says otherwise of
  // See GradientNorm:
  double beta1 = 0;
  double beta2 = 0;
  double momentum_fade = 0;
  /// With float32 parameters, a step whose gradient (the mean, after clipping) is longer
  /// than 1.8e19 is skipped like one that is not finite: its square would make a moment infinite
  /// for ever.
  bool squares_gradient = false;
  /// Pieces do not cross parameters, and SlabUpdate::norms is there.
  bool by_parameter = false;
  std::function<void(Stream&, const SlabUpdate&)> update = {};
};

/// Of options that are in range: one for each method, in optim/TYPE.cu.
UpdateRule update_rule(const AdamWOptions& options);
UpdateRule update_rule(const SgdOptions& options);
UpdateRule update_rule(const AdamOptions& options);
UpdateRule update_rule(const NAdamOptions& options);
UpdateRule update_rule(const RAdamOptions& options);
UpdateRule update_rule(const RmsPropOptions& options);
UpdateRule update_rule(const AdagradOptions& options);
UpdateRule update_rule(const AdadeltaOptions& options);
UpdateRule update_rule(const LionOptions& options);
UpdateRule update_rule(const LambOptions& options);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
