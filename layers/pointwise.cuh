// A pointwise layer from a functor, the whole of it, in one .cu file:
//
//   struct Swish {
//     template <class T>
//     ADJOINT_HD T operator()(T x) const { return x * sigmoid(x); }
//   };
//   const bool kRegistered = register_pointwise("swish", Swish{});
//
// Recipes and tests know it from then on; C++ applies it as Pointwise(pointwise("swish", Swish{})).
#pragma once

#include "core/graph/registry.h"
#include "kernels/pointwise.cuh"
#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The kernels of a functor (see kernels/pointwise.cuh for what functors may offer).
template <class F>
Pointwise::Operations pointwise(const std::string& kind, const F& function) {
  return {
      .kind = kind,
      .backward_from_y = kDerivativeFromY<F>,
      .forward = [function](Stream& stream, const Tensor& y,
                            const Tensor& x) { pointwise_forward(stream, function, y, x); },
      .backward = [function](
                      Stream& stream, const Gradient& dx, const Tensor& x_or_y,
                      const Tensor& dy) { pointwise_backward(stream, function, dx, x_or_y, dy); }};
}

/// Enters a functor without options as a layer.
template <class F>
bool register_pointwise(const std::string& kind, const F& function) {
  const auto make = [kind, function] {
    return std::make_shared<Pointwise>(pointwise(kind, function));
  };
  return register_layer({.kind = kind,
                         .make = [make](Options&) { return make(); },
                         .cases = {{kind, make, {CheckInput{{DType::float32, {7, 19}}}}}}});
}

}  // namespace adjoint::inline ADJOINT_BACKEND
