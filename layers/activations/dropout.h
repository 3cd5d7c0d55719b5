// Dropout: while training, each element is zero with probability p and else scaled by 1 / (1 - p).
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Srivastava et al. 2014, in the inverted form. No mask is kept: backward draws the same random
/// numbers again, from the layer's place in the graph and the step.
class Dropout : public LayerOf<Dropout> {
 public:
  /// p in [0, 1).
  explicit Dropout(double p);

  std::string kind() const override { return "dropout"; }
  std::string describe() const override { return str("dropout(", p_, ")"); }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange> x, const Signature&) const override {
    return x[0].scaled_or_zero(1 / (1 - double(p_)));
  }
  Traits traits() const override {
    return {.backward_reads_x = false, .forward_in_place = true, .backward_in_place = true};
  }
  void build(Builder& builder) override { place_ = builder.place(); }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  double p_;
  std::uint64_t place_ = 0;
};

/// x [...], floating -> the same shape: while training, zero with probability p in [0, 1), else x /
/// (1 - p) (Srivastava et al. 2014); otherwise x. Throws Error for another p or an integer x.
Value dropout(const Value& x, double p);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
