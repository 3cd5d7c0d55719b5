// Concat: several inputs one behind the other along an axis.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Inputs of one floating type and of shapes that differ in the axis alone; not along the batch.
class Concat : public LayerOf<Concat> {
 public:
  /// axis: from 1, or from the back if negative.
  explicit Concat(int axis) : axis_(axis) {}

  std::string kind() const override { return "concat"; }
  std::string describe() const override { return str("concat(axis ", axis_, ")"); }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> ranges, const Signature& x) const override {
    ValueRange all = ranges[0];
    for (const ValueRange& range : ranges) all = all.joined(range);
    return moved(all, x);
  }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  int axis_;
  std::vector<std::int64_t> extents_;  // of the inputs along the axis
};

/// The values, floating and of one type, one behind the other along `axis`, counted from the back
/// if negative. Throws Error where another axis differs, and for the batch, axis 0.
Value concat(const std::vector<Value>& x, int axis);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
