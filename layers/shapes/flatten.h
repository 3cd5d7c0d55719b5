// Flatten: every axis but the first as one.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x [batch, ...] -> y [batch, features], the same memory.
class Flatten : public LayerOf<Flatten> {
 public:
  std::string kind() const override { return "flatten"; }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature& x) const override {
    return moved(ranges[0], x);
  }
  Traits traits() const override { return {.backward_reads_x = false, .view = true}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
};

/// x [batch, ...] -> [batch, features]: all axes but the first as one. Moves no memory where the
/// planner can share it.
Value flatten(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
