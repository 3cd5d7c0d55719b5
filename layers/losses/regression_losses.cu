#include "layers/losses/regression_losses.h"

#include <cmath>
#include <limits>

#include "layers/losses/pointwise_loss.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// |d|, with derivative 0 at 0; NaN stays.
template <class T>
ADJOINT_HD T magnitude(T d) {
  return select(d > T(0.0f), d, select(d < T(0.0f), -d, T(0.0f) * d));
}

struct SquaredError {
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    return (x - t) * (x - t);
  }
};

struct AbsoluteError {
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    return magnitude(x - t);
  }
};

/// A parabola up to `bend`, d^2 curvature / 2, and beyond it a line of its `slope` there. Products
/// in an order that overflows only where the loss does.
struct BentError {
  double bend, curvature, slope;

  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    const T difference = x - t, half = T(0.5f);
    const T d = select(difference < T(0.0f), -difference, difference);
    return select(d > T(bend), T(slope) * (d - T(0.5 * bend)), half * d * (T(curvature) * d));
  }
};

using Operations = PointwiseLoss::Operations;

Operations huber_operations(double delta) {
  ADJOINT_CHECK(delta > 0 && std::isfinite(delta), "huber: expected a delta above 0, got ", delta);
  return pointwise_loss("huber", BentError{delta, 1.0, delta});
}

Operations smooth_l1_operations(double beta) {
  ADJOINT_CHECK(beta >= 0 && std::isfinite(beta), "smooth_l1: expected a beta of 0 or more, got ",
                beta);
  // 1 / beta would be infinite in float32.
  if (beta < std::numeric_limits<float>::min()) return pointwise_loss("smooth_l1", AbsoluteError{});
  return pointwise_loss("smooth_l1", BentError{beta, 1.0 / beta, 1.0});
}

Value apply(const Operations& operations, Reduction reduction, const Value& x,
            const Value& target) {
  return x.graph().apply(PointwiseLoss(operations, {reduction}), {x, target});
}

}  // namespace

Value mse(const Value& x, const Value& target, Reduction reduction) {
  return apply(pointwise_loss("mse", SquaredError{}), reduction, x, target);
}

Value l1(const Value& x, const Value& target, Reduction reduction) {
  return apply(pointwise_loss("l1", AbsoluteError{}), reduction, x, target);
}

Value huber(const Value& x, const Value& target, const HuberOptions& options) {
  return apply(huber_operations(options.delta), options.reduction, x, target);
}

Value smooth_l1(const Value& x, const Value& target, const SmoothL1Options& options) {
  return apply(smooth_l1_operations(options.beta), options.reduction, x, target);
}

namespace {

const bool kMse = register_pointwise_loss("mse", SquaredError{});
const bool kL1 = register_pointwise_loss("l1", AbsoluteError{});

// Enters a loss with one number as its option.
bool register_bent(const std::string& kind, const std::string& option,
                   Operations (*operations)(double), double other) {
  return register_layer(
      {.kind = kind,
       .arity = Arity::of(2),
       .make =
           [=](Options& options) {
             const double bend = options.number(option, 1.0);
             return std::make_shared<PointwiseLoss>(operations(bend),
                                                    PointwiseLoss::Form{reduction_option(options)});
           },
       .cases = {pointwise_loss_case(kind, operations(1.0), {}),
                 pointwise_loss_case(kind + "/other " + option, operations(other), {}),
                 pointwise_loss_case(kind + "/sum", operations(1.0), {Reduction::sum}),
                 pointwise_loss_case(kind + "/none", operations(1.0), {Reduction::none})}});
}
const bool kHuber = register_bent("huber", "delta", huber_operations, 0.4);
const bool kSmoothL1 = register_bent("smooth_l1", "beta", smooth_l1_operations, 0.4);

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
