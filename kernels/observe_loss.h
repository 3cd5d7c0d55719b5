// What a plateau schedule makes of a validation loss: one thread, outside of captured steps.
#pragma once

#include "core/device/stream.h"
#include "kernels/update_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Puts one kernel on the stream that lowers the rate of a plateau schedule where the loss has
/// stopped falling; *state, in device memory, keeps what was seen, so that it is saved with it.
/// With best the least loss before, nothing being best at first, the rules are those of PyTorch's
/// ReduceLROnPlateau, but for losses below 0, whose margin it subtracts where it has to be added:
///
///   better = loss < best - threshold |best|
///   after more than `patience` losses in a row that are not better, factor = factor gamma, and the
///   next `cooldown` losses do not count as bad
///
/// A loss that is not finite is never better, nor the first to be best.
void observe_loss(Stream& stream, UpdateState* state, const Schedule& schedule, double loss);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
