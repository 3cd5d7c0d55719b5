// What a pointwise loss is called with; kernels/pointwise_loss.cuh has the kernel and the
// mathematics.
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x, target, dx, dtarget: floating, any shape, all of one type and shape.
struct PointwiseLossCall {
  Tensor x, target;
  Gradient dx, dtarget;
  LossOutput out;    ///< losses have the shape of x
  double count = 0;  ///< totals[1]
};

/// Elements of a piece (see loss_blocks): whole packs of every type.
inline constexpr int kPointwiseLossPiece = 4096;

inline std::int64_t pointwise_loss_pieces(std::int64_t elements) {
  return (elements + kPointwiseLossPiece - 1) / kPointwiseLossPiece;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
