// Permute: axes in another order.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Axis k of y is axis axes[k] of x; the batch stays in front: axes[0] is 0.
class Permute : public LayerOf<Permute> {
 public:
  explicit Permute(std::vector<int> axes);

  std::string kind() const override { return "permute"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature&) const override {
    return ranges[0].rearranged(axes_.back() + 1 == std::ssize(axes_));
  }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  std::vector<int> axes_;
};

/// x, floating, with its axes in another order: axis k of the result is axis axes[k] of x. Axis 0,
/// the batch, stays first. Throws Error unless every axis of x is named once.
Value permute(const Value& x, const std::vector<int>& axes);
/// Exchanges two axes behind the batch, negative ones counting from the back.
Value transpose(const Value& x, int a = -1, int b = -2);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
