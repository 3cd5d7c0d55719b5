// LayerNorm: each row to mean 0 and variance 1, then scaled and shifted per feature.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
class Options;
}

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Ba et al. 2016: y = (x - mean) / sqrt(variance + epsilon) weight + bias over the last axis;
/// weight and bias [features] start at 1 and 0. Numbers may be up to half of the largest in which
/// sums are made (float32; float64 for float64).
class LayerNorm : public LayerOf<LayerNorm> {
 public:
  /// `features` 0 takes what comes.
  explicit LayerNorm(std::int64_t features = 0, double epsilon = 1e-5);

  std::string kind() const override { return "layer_norm"; }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true, .backward_in_place = true}; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

  /// The same normalisation of a + b, which is written to `sum`; for the layer that fuses the two.
  void forward_of_sum(Context& context, const Tensor& a, const Tensor& b, const Tensor& sum,
                      const Tensor& y);
  /// What backward leaves of the parameters where no gradient reaches y: zeros, or what was there.
  void no_parameter_gradients(Context& context, const ParameterGradients& parameters);
  /// Backward with `extra` (may be undefined) added to dx.
  void backward_with(Context& context, const Tensor& x, const Tensor& dy, const Tensor& extra,
                     const Gradient& dx, const ParameterGradients& parameters);

 private:
  std::int64_t features_;
  double epsilon_;
  Parameter weight_, bias_;
  Slot mean_, rstd_, scratch_;
};

/// x [..., features], floating -> the same shape: (x - mean) / sqrt(variance + 1e-5) weight + bias
/// over the last axis (Ba et al. 2016).
Value layer_norm(const Value& x);

/// The layer that a recipe's options make: epsilon.
LayerNorm layer_norm_of(Options& options);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
