// A loss over elements from a functor, the whole of it, in one .cu file:
//
//   struct SquaredError {
//     template <class T>
//     ADJOINT_HD T operator()(T x, T t) const { return (x - t) * (x - t); }
//   };
//   const bool kRegistered = register_pointwise_loss("squared_error", SquaredError{});
//
// Recipes and tests know it from then on; C++ applies it as
// PointwiseLoss(pointwise_loss("squared_error", SquaredError{}), {}).
#pragma once

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/pointwise_loss.cuh"
#include "layers/pointwise_loss.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The kernel of a functor (see kernels/pointwise_loss.cuh for what functors may offer).
template <class F>
PointwiseLoss::Operations pointwise_loss(const std::string& kind, const F& function) {
  return {.kind = kind, .run = [function](Stream& stream, const PointwiseLossCall& call) {
            pointwise_loss(stream, function, call);
          }};
}

/// One case of a pointwise loss. `target` says what targets are drawn from.
inline LayerCase pointwise_loss_case(const std::string& name,
                                     const PointwiseLoss::Operations& operations,
                                     const PointwiseLoss::Form& form, CheckInput target = {}) {
  const CheckInput x{{DType::float32, {5, 7}}};
  target.type = x.type;
  return {name, [=] { return std::make_shared<PointwiseLoss>(operations, form); }, {x, target}};
}

/// Enters a functor without options as a loss.
template <class F>
bool register_pointwise_loss(const std::string& kind, const F& function) {
  const PointwiseLoss::Operations operations = pointwise_loss(kind, function);
  const auto make = [=](Options& options) {
    return std::make_shared<PointwiseLoss>(operations,
                                           PointwiseLoss::Form{reduction_option(options)});
  };
  return register_layer(
      {.kind = kind,
       .make = make,
       .cases = {pointwise_loss_case(kind, operations, {}),
                 pointwise_loss_case(kind + "/sum", operations, {Reduction::sum}),
                 pointwise_loss_case(kind + "/none", operations, {Reduction::none})}});
}

}  // namespace adjoint::inline ADJOINT_BACKEND
