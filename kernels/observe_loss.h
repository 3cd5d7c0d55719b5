// What a plateau schedule makes of a validation loss: one thread, outside of captured steps.
#pragma once

#include "core/device/stream.h"
#include "kernels/update_state.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Puts one kernel on the stream that lowers the rate of a plateau schedule where the loss has
/// stopped falling; *state, in device memory, keeps what was seen, so that it is saved with it.
/// With best the least loss before, nothing being best at first, the rules are those of PyTorch's
/// ReduceLROnPlateau:
///
///   better = loss < best (1 - threshold)
///   after more than `patience` losses in a row that are not better, factor = factor gamma, and the
///   next `cooldown` losses do not count as bad
///
/// A loss that is not a number is not better.
void observe_loss(Stream& stream, UpdateState* state, const Schedule& schedule, double loss);

}  // namespace adjoint::inline ADJOINT_BACKEND
