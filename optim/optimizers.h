// Optimizers by name, as C++ programs write them: an optimizer (core/update/optimizer.h) that goes
// by one of the rules here.
//
//   AdamW optimizer(context, graph.slab(), {.weight_decay = 0.1},
//                   {.schedule = cosine(3e-4, 10000, {.warmup_steps = 500}), .clip_norm = 1});
#pragma once

#include "core/update/optimizer.h"
#include "optim/rules.h"
#include "optim/schedules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

template <OptionsOfRule Rule>
class OptimizerOf : public Optimizer {
 public:
  /// See Optimizer.
  OptimizerOf(Context& context, const ParameterSlab& slab, const Rule& rule = {},
              const OptimizerOptions& options = {})
      : Optimizer(context, slab, RuleOptions(rule), options) {}
};

using AdamW = OptimizerOf<AdamWOptions>;
using Sgd = OptimizerOf<SgdOptions>;
using Adam = OptimizerOf<AdamOptions>;
using NAdam = OptimizerOf<NAdamOptions>;
using RAdam = OptimizerOf<RAdamOptions>;
using RmsProp = OptimizerOf<RmsPropOptions>;
using Adagrad = OptimizerOf<AdagradOptions>;
using Adadelta = OptimizerOf<AdadeltaOptions>;
using Lion = OptimizerOf<LionOptions>;
using Lamb = OptimizerOf<LambOptions>;

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
