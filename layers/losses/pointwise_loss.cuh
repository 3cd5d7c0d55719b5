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
//
// A functor may say what it is made for: `static constexpr ValueRange kPrediction, kTarget`, so
// that models that end otherwise are warned of and targets outside are refused; and, where that is
// not the target itself, `double best(double t) const`, the prediction with the least loss; and, of
// losses of probabilities, `double probability(double x) const`, what a prediction stands for.
#pragma once

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/pointwise_loss.cuh"
#include "layers/losses/pointwise_loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The kernel of a functor (see kernels/pointwise_loss.cuh for what functors may offer).
template <class F>
PointwiseLoss::Operations pointwise_loss(const std::string& kind, const F& function) {
  PointwiseLoss::Operations operations{
      .kind = kind, .run = [function](Stream& stream, const PointwiseLossCall& call) {
        pointwise_loss(stream, function, call);
      }};
  if constexpr (requires { F::kPrediction; }) operations.prediction = F::kPrediction;
  if constexpr (requires { F::kTarget; }) operations.target = F::kTarget;
  if constexpr (requires { function.best(0.0); })
    operations.best = [function](double t) { return function.best(t); };
  if constexpr (requires { function.probability(0.0); })
    operations.probability = [function](double x) { return function.probability(x); };
  return operations;
}

/// One case of a pointwise loss. `target` says what targets are drawn from.
inline LayerCase pointwise_loss_case(const std::string& name,
                                     const PointwiseLoss::Operations& operations,
                                     const PointwiseLoss::Form& form, CheckInput target = {}) {
  const CheckInput x{{DType::float32, {5, 7}}};
  target.type = x.type;
  return {name, [=] { return std::make_shared<PointwiseLoss>(operations, form); }, {x, target}};
}

/// Enters a functor without options as a loss. `abi` is the caller's (core/base/abi.h).
template <class F>
bool register_pointwise_loss(const std::string& kind, const F& function,
                             const char* abi = kAbiTag) {
  const PointwiseLoss::Operations operations = pointwise_loss(kind, function);
  const auto make = [=](Options& options) {
    return std::make_shared<PointwiseLoss>(operations,
                                           PointwiseLoss::Form{reduction_option(options)});
  };
  return register_layer(
      {.kind = kind,
       .arity = Arity::of(2),
       .make = make,
       .cases = {pointwise_loss_case(kind, operations, {}),
                 pointwise_loss_case(kind + "/sum", operations, {Reduction::sum}),
                 pointwise_loss_case(kind + "/none", operations, {Reduction::none})}},
      abi);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
