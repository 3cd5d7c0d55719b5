#include "optim/adamw.h"

#include <cmath>

#include "core/base/error.h"
#include "kernels/adamw.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

void check_beta(const char* which, double beta) {
  ADJOINT_CHECK(beta >= 0 && beta < 1, "AdamW: expected ", which, " of 0 or more and below 1, got ",
                beta);
}

}  // namespace

AdamW::AdamW(Context& context, const ParameterSlab& slab, const AdamWOptions& options)
    : Optimizer(context, slab,
                {.schedule = options.schedule ? *options.schedule : constant(options.learning_rate),
                 .clip_norm = options.clip_norm,
                 .loss_scale = options.loss_scale},
                "AdamW"),
      adamw_(options) {
  check_beta("beta1", options.beta1);
  check_beta("beta2", options.beta2);
  ADJOINT_CHECK(std::isfinite(options.epsilon) && options.epsilon >= 0,
                "AdamW: expected a finite epsilon of 0 or more, got ", options.epsilon);
  ADJOINT_CHECK(std::isfinite(options.weight_decay) && options.weight_decay >= 0,
                "AdamW: expected a finite weight_decay of 0 or more, got ", options.weight_decay);
  m_ = add_moment("m");
  v_ = add_moment("v");
}

void AdamW::configure(GradientNorm& norm) const {
  norm.beta1 = adamw_.beta1;
  norm.beta2 = adamw_.beta2;
  if (slab().master.dtype() == DType::float32) norm.largest_norm = 1.8e19;
}

void AdamW::update(Stream& stream) {
  adamw(stream, {.master = slab().master,
                 .gradient = slab().gradient,
                 .m = m_,
                 .v = v_,
                 .compute = slab().compute,
                 .beta1 = adamw_.beta1,
                 .beta2 = adamw_.beta2,
                 .epsilon = adamw_.epsilon,
                 .weight_decay = adamw_.weight_decay,
                 .state = update_state()});
}

}  // namespace adjoint::inline ADJOINT_BACKEND
