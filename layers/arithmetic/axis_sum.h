// Sum and Mean over an axis, or over all but the batch.
#pragma once

#include <optional>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y is x without the axis; without an axis given, [batch].
class AxisSum : public LayerOf<AxisSum> {
 public:
  enum class Form : std::uint8_t { sum, mean };
  /// axis: from 1, or from the back if negative.
  explicit AxisSum(Form form, std::optional<int> axis = std::nullopt) : form_(form), axis_(axis) {}

  std::string kind() const override { return form_ == Form::sum ? "sum" : "mean"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> x, const Signature&) const override {
    return form_ == Form::sum ? x[0].summed() : x[0].averaged();
  }
  Traits traits() const override { return {.backward_reads_x = false}; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  Shape extents(const Shape& x) const;
  double scale(std::int64_t extent) const;

  Form form_;
  std::optional<int> axis_;
};

/// x [batch, ...], floating, summed over an axis, which is left out of the result's shape; without
/// an axis over all but the batch, [batch]. Throws Error for axis 0, the batch, and one that x
/// lacks.
Value sum(const Value& x, std::optional<int> axis = std::nullopt);
/// Likewise the mean.
Value mean(const Value& x, std::optional<int> axis = std::nullopt);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
