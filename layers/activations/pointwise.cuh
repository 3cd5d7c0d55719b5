// A pointwise layer from a functor, the whole of it, in one .cu file:
//
//   struct Swish {
//     template <class T>
//     ADJOINT_HD T operator()(T x) const { return x * sigmoid(x); }
//   };
//   const bool kRegistered = register_pointwise("swish", Swish{});
//
// Recipes and tests know it from then on; C++ applies it as Pointwise(pointwise("swish", Swish{})).
// A functor with options holds them as members; register_pointwise is then told how a recipe's
// options make the layer, and with which of them it is tested.
#pragma once

#include "core/graph/registry.h"
#include "kernels/pointwise.cuh"
#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What a functor says it makes, `ValueRange range() const`; else nothing is known of it.
template <class F>
ValueRange range_of(const F& function) {
  if constexpr (requires { function.range(); })
    return function.range();
  else
    return {};
}

/// The kernels of a functor (see kernels/pointwise.cuh for what functors may offer). `description`
/// tells its options, where it has any.
template <class F>
Pointwise::Operations pointwise(const std::string& kind, const F& function,
                                const std::string& description = {}) {
  return {
      .kind = kind,
      .description = description,
      .backward_from_y = kDerivativeFromY<F>,
      .range = range_of(function),
      .forward = [function](Stream& stream, const Tensor& y,
                            const Tensor& x) { pointwise_forward(stream, function, y, x); },
      .backward = [function](
                      Stream& stream, const Gradient& dx, const Tensor& x_or_y,
                      const Tensor& dy) { pointwise_backward(stream, function, dx, x_or_y, dy); }};
}

/// A case of a pointwise layer: `name` is its kind, with "/variant" where there are several. Inputs
/// are drawn with this deviation, so that all of the function's branches are met.
inline LayerCase pointwise_case(const std::string& name, const Pointwise& layer,
                                double deviation = 1.0) {
  return {name,
          [layer] { return std::make_shared<Pointwise>(layer); },
          {CheckInput{{DType::float32, {7, 19}}, 0.0, deviation}}};
}

/// Enters pointwise layers with options, which `make` reads. `abi` is the caller's, here and below
/// (core/base/abi.h).
inline bool register_pointwise(const std::string& kind,
                               const std::function<std::shared_ptr<Layer>(Options&)>& make,
                               const std::vector<LayerCase>& cases, const char* abi = kAbiTag) {
  return register_layer({.kind = kind, .make = make, .cases = cases}, abi);
}

/// Enters a pointwise layer without options. See pointwise_case for the deviation.
inline bool register_pointwise(const Pointwise& layer, double deviation = 1.0,
                               const char* abi = kAbiTag) {
  return register_pointwise(
      layer.kind(), [layer](Options&) { return std::make_shared<Pointwise>(layer); },
      {pointwise_case(layer.kind(), layer, deviation)}, abi);
}

/// Enters a functor without options as a layer.
template <class F>
bool register_pointwise(const std::string& kind, const F& function, double deviation = 1.0,
                        const char* abi = kAbiTag) {
  return register_pointwise(Pointwise(pointwise(kind, function)), deviation, abi);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
