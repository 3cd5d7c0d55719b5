#include "optim/sgd.h"

#include <cmath>

#include "core/base/error.h"
#include "kernels/sgd.h"

namespace adjoint::inline ADJOINT_BACKEND {

Sgd::Sgd(Context& context, const ParameterSlab& slab, const SgdOptions& options)
    : Optimizer(context, slab,
                {.schedule = options.schedule ? *options.schedule : constant(options.learning_rate),
                 .clip_norm = options.clip_norm,
                 .loss_scale = options.loss_scale},
                "SGD"),
      sgd_(options) {
  ADJOINT_CHECK(options.momentum >= 0 && options.momentum < 1,
                "SGD: expected momentum of 0 or more and below 1, got ", options.momentum);
  ADJOINT_CHECK(std::isfinite(options.weight_decay) && options.weight_decay >= 0,
                "SGD: expected a finite weight_decay of 0 or more, got ", options.weight_decay);
  if (options.momentum != 0) v_ = add_moment("v");
}

void Sgd::update(Stream& stream) {
  sgd(stream, {.master = slab().master,
               .gradient = slab().gradient,
               .v = v_,
               .compute = slab().compute,
               .momentum = sgd_.momentum,
               .weight_decay = sgd_.weight_decay,
               .state = update_state()});
}

}  // namespace adjoint::inline ADJOINT_BACKEND
