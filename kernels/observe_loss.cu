// The rules of a plateau: kernels/observe_loss.h.
#include "kernels/observe_loss.h"

#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

__global__ void observe_loss_kernel(UpdateState* __restrict__ state, double loss, double threshold,
                                    double gamma, std::uint32_t patience, std::uint32_t cooldown) {
  const double best = state->best_loss;
  const bool finite = loss - loss == 0;
  const bool better =
      state->losses_observed == 0 || loss < best * (best > 0 ? 1 - threshold : 1 + threshold);
  if (finite && better) {
    state->best_loss = loss;
    state->losses_not_better = 0;
    ++state->losses_observed;
  } else {
    ++state->losses_not_better;
  }
  if (state->cooling > 0) {
    --state->cooling;
    state->losses_not_better = 0;
  }
  if (state->losses_not_better <= patience) return;
  state->rate_factor = (state->rate_factor == 0 ? 1 : state->rate_factor) * gamma;
  state->cooling = cooldown;
  state->losses_not_better = 0;
}

}  // namespace

void observe_loss(Stream& stream, UpdateState* state, const Schedule& schedule, double loss) {
  launch<observe_loss_kernel>(stream, {.grid = 1, .block = 1}, state, loss, schedule.threshold,
                              schedule.gamma, schedule.patience, schedule.cooldown);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
