// What all loss kernels are told beside their inputs, and where they leave their results: a sum in
// a fixed order, each sample's loss, gradients times what lies on the device.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/totals.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Everything is optional but what says otherwise. A is float32, or float64 for float64 inputs.
struct LossOutput {
  /// [3] of A: sum of losses, number that count (or the sum of their weights), number predicted
  /// right, which is 0 where there is no right or wrong. Needs counter and scratch.
  Tensor totals;
  bool accumulate_totals = false;
  /// Totals are [4]: the sum is not to be divided by what counts (kernels/totals.h).
  bool undivided = false;
  Tensor losses;   ///< each sample's loss, of the inputs' type; the loss says the shape
  Tensor counter;  ///< [1] int32, zero before the first call; calls leave it zero
  Tensor scratch;  ///< of loss_scratch(), for as many pieces as the loss says
  // What the gradients are multiplied by:
  const float* scale = nullptr;  ///< device memory
  Tensor totals_dy;              ///< gradient of totals, of which only the first is read
  Tensor losses_dy;              ///< gradient of losses
};

/// Most blocks of a loss kernel: the last one adds up quickly, and any GPU is full. The same on all
/// cards: a grid by their multiprocessors would add the losses in another order on each.
inline constexpr std::int64_t kMostLossBlocks = 1024;

/// Pieces (rows, chunks of elements) that a block takes one after the other, and blocks, for that
/// many pieces.
inline std::int64_t loss_pieces_per_block(std::int64_t pieces) {
  return (pieces + kMostLossBlocks - 1) / kMostLossBlocks;
}
inline std::int64_t loss_blocks(std::int64_t pieces) {
  const std::int64_t each = loss_pieces_per_block(pieces);
  return pieces == 0 ? 1 : (pieces + each - 1) / each;
}

/// Where blocks leave partial sums for the last one to add up. Serves fewer pieces as well (which
/// may be spread over more blocks).
inline TensorType loss_scratch(std::int64_t pieces) {
  return {DType::float64, Shape{3 * (pieces < 1                 ? 1
                                     : pieces < kMostLossBlocks ? pieces
                                                                : kMostLossBlocks)}};
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
