// Losses between a prediction x and a target t, real numbers, of each element for itself; see
// PointwiseLoss. In recipes: "mse", "l1", "huber", "smooth_l1". x and target are floating, of one
// type and shape; the result is totals [3], or, with Reduction::none, losses of that shape.
#pragma once

#include "layers/losses/pointwise_loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// (x - t)^2
Value mse(const Value& x, const Value& target, Reduction reduction = Reduction::mean);

/// |x - t|; derivative 0 where the two are equal.
Value l1(const Value& x, const Value& target, Reduction reduction = Reduction::mean);

struct HuberOptions {
  double delta = 1.0;  ///< where the parabola goes over into a line; above 0
  Reduction reduction = Reduction::mean;
};

/// (x - t)^2 / 2 up to |x - t| = delta, delta (|x - t| - delta / 2) beyond (Huber 1964, "Robust
/// Estimation of a Location Parameter").
Value huber(const Value& x, const Value& target, const HuberOptions& options = {});

struct SmoothL1Options {
  double beta = 1.0;  ///< where the parabola goes over into a line; 0 gives l1
  Reduction reduction = Reduction::mean;
};

/// Huber's loss divided by beta: slope 1 beyond (Girshick 2015, "Fast R-CNN", eq. 3, with beta 1).
Value smooth_l1(const Value& x, const Value& target, const SmoothL1Options& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
