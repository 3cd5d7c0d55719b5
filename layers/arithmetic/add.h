// Add: y = a + b, the residual connection.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Two inputs of one type and shape. Both gradients are dy itself: nothing is computed or copied
/// where the planner can let the three share memory.
class Add : public LayerOf<Add> {
 public:
  std::string kind() const override { return "add"; }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> x, const Signature&) const override {
    return x[0].plus(x[1]);
  }
  Traits traits() const override {
    return {.backward_reads_x = false, .forward_in_place = true, .gradients_pass_through = true};
  }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
};

/// a + b, of one floating type and shape, which the result has. Throws Error for others.
Value add(const Value& a, const Value& b);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
