#include "layers/regression_losses.h"

#include "layers/pointwise_loss.cuh"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

struct SquaredError {
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    return (x - t) * (x - t);
  }
};

}  // namespace

Value mse(const Value& x, const Value& target, Reduction reduction) {
  return x.graph().apply(PointwiseLoss(pointwise_loss("mse", SquaredError{}), {reduction}),
                         {x, target});
}

namespace {
const bool kMse = register_pointwise_loss("mse", SquaredError{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
