// Pointwise: a layer that applies one function to each element, y[i] = f(x[i]). It is made of a
// functor alone (layers/activations/pointwise.cuh); the backward kernel differentiates the functor
// by itself.
#pragma once

#include <functional>
#include <string>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Pointwise : public Layer {
 public:
  /// What layers/activations/pointwise.cuh makes of a functor.
  struct Operations {
    std::string kind;
    std::string description;  ///< with its options: "leaky_relu(0.01)"; empty for just the kind
    bool backward_from_y = false;  ///< f' is computed from y rather than from x
    ValueRange range = {};         ///< of y, whatever x is
    std::function<void(Stream&, const Tensor& y, const Tensor& x)> forward;
    std::function<void(Stream&, const Gradient& dx, const Tensor& x_or_y, const Tensor& dy)>
        backward;
  };
  explicit Pointwise(Operations operations, ElementFunction function = ElementFunction::none)
      : operations_(std::move(operations)), function_(function) {}

  std::string kind() const override { return operations_.kind; }
  std::string describe() const override {
    return operations_.description.empty() ? kind() : operations_.description;
  }
  std::shared_ptr<Layer> twin() const override { return std::make_shared<Pointwise>(*this); }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return operations_.range;
  }
  ElementFunction element_function() const override { return function_; }
  Traits traits() const override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  Operations operations_;
  ElementFunction function_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
