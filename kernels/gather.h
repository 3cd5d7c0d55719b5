// Batches out of a data set that lies on the device.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// With n = indices.count() and r = indices[(*position + b) % n]:
///
///   batch[b, channel, j] = rows[r, channel, j] scale[channel] + shift[channel]
///   batch_labels[b] = labels[r]
///
/// Integers are gathered as they are, without labels, scale and shift.
struct Gather {
  Tensor batch;         ///< [batch, columns in any shape], floating; int32 of int32 rows
  Tensor batch_labels;  ///< [batch] int32; optional
  Tensor rows;          ///< [samples, columns in any shape], uint8, float32 or int32
  Tensor labels;        ///< [samples] int32; with batch_labels
  Tensor indices;       ///< [n] int32, each in [0, samples): an epoch's order; n > 0
  /// Device memory: where the batch begins. Read when the kernel runs, so that a captured gather
  /// moves on as the counter does.
  const std::uint64_t* position = nullptr;
  Tensor scale;  ///< [channels] float32
  Tensor shift;  ///< [channels] float32; the columns are divided evenly among the channels
};

/// One launch. Throws Error naming the operand whose type or shape does not fit.
void gather(Stream& stream, const Gather& call);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
