// The running state of layers at the end of an update: taken back or averaged.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// All 16-byte aligned.
struct SettleRunningState {
  Tensor live;      ///< uint8 [bytes], of 8-byte words: as the training passes left it
  Tensor before;    ///< likewise: as it was before them; of an update made, as it is after
  Tensor averaged;  ///< float32 or float64 [count], a part of `live`; may be undefined
  Tensor average;   ///< the moving average of these; undefined: none is kept
  const UpdateState* state = nullptr;  ///< device memory, as gradient_norm() left it
};

/// Puts one kernel on the stream: where the update was skipped, live = before, bit for bit; else
/// before = live and, with k = state->average_kept, average = k average + (1 - k) averaged. Throws
/// Error for types, shapes or alignments that do not fit.
void settle_running_state(Stream& stream, const SettleRunningState& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
