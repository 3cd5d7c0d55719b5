#include "core/update/optimizer_options.h"

#include <cmath>

#include "core/base/error.h"
#include "core/update/schedule_options.h"

namespace adjoint {
namespace {

bool positive(double value) { return std::isfinite(value) && value > 0; }

void check_scaling(const std::string& name, const LossScaling& scaling, double scale) {
  if (!scaling.dynamic) return;
  ADJOINT_CHECK(scaling.growth_interval >= 1, name,
                ": loss scaling: expected a growth_interval of at least 1 step, got 0");
  ADJOINT_CHECK(scaling.backoff > 0 && scaling.backoff < 1, name,
                ": loss scaling: expected a backoff between 0 and 1, got ", scaling.backoff);
  ADJOINT_CHECK(std::isfinite(scaling.growth) && scaling.growth > 1, name,
                ": loss scaling: expected a finite growth above 1, got ", scaling.growth);
  ADJOINT_CHECK(positive(scaling.smallest) && positive(scaling.largest) &&
                    scaling.smallest <= scale && scale <= scaling.largest,
                name, ": loss scaling: expected 0 < smallest <= loss_scale <= largest, got ",
                scaling.smallest, ", ", scale, " and ", scaling.largest);
}

}  // namespace

void check_options(const std::string& name, const OptimizerOptions& options) {
  if (options.schedule) check_schedule(*options.schedule);
  ADJOINT_CHECK(options.clip_norm >= 0, name, ": expected clip_norm of 0 (none) or more, got ",
                options.clip_norm);
  ADJOINT_CHECK(options.clip_value >= 0, name, ": expected clip_value of 0 (none) or more, got ",
                options.clip_value);
  ADJOINT_CHECK(positive(options.loss_scale), name, ": expected a finite loss_scale above 0, got ",
                options.loss_scale);
  check_scaling(name, options.scaling, options.loss_scale);
  ADJOINT_CHECK(
      options.check_gradient || (options.clip_norm == 0 && !options.scaling.dynamic), name,
      ": expected check_gradient, without which there is neither clip_norm nor dynamic loss "
      "scaling");
  ADJOINT_CHECK(options.ema >= 0 && options.ema < 1, name,
                ": expected ema of 0 (none) or more and below 1, got ", options.ema);
}

}  // namespace adjoint
