// Linear: y = x W^T + b over the last axis.
#pragma once

#include <optional>

#include "core/graph/graph.h"

namespace adjoint {
class Options;
}

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct LinearOptions {
  std::int64_t in = 0;  ///< features taken; 0 takes what comes
  std::int64_t out = 0;
  bool bias = true;
  /// Rows of weight and bias in memory, the rest zeros: a multiple of 64 or 128 that the product
  /// with a cross-entropy is fast with (layers/rewrites/linear_cross_entropy.h). 0: as many as
  /// `out`. Files hold those of `out`.
  std::int64_t stored_rows = 0;
  /// By default uniform in +-1 / sqrt(in), for weight and bias, as in LeCun et al. 1998 (Efficient
  /// BackProp) up to a constant, and as PyTorch does. In recipes weight_init and bias_init.
  std::optional<Initializer> weight_initializer;
  std::optional<Initializer> bias_initializer;
};

/// As recipes have them: out, bias, weight_init, bias_init. Throws Error naming the key for a value
/// out of range.
LinearOptions linear_options(Options& options);

/// x [..., in] -> y [..., out], weight [out, in], bias [out].
class Linear : public LayerOf<Linear> {
 public:
  explicit Linear(std::int64_t out) : Linear(LinearOptions{.out = out}) {}
  Linear(std::int64_t in, std::int64_t out) : Linear(LinearOptions{.in = in, .out = out}) {}
  explicit Linear(const LinearOptions& options);
  /// With a weight that another layer has as well, [out, in], and no bias: a tied output head.
  /// Throws Error for a weight whose shape its layer does not know before it is built.
  explicit Linear(const Parameter& weight);

  std::string kind() const override { return "linear"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override;
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature& x, const ParameterGradients& parameters) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
  std::int64_t multiply_adds(const Signature& x) const override;
  std::int64_t backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                      const ParameterGradients& parameters) const override;

  /// The gradients of weight and bias from x [rows, in] and dy [rows, out], into these places.
  void parameter_gradients(Context& context, const Tensor& x, const Tensor& dy,
                           const Gradient& weight, const Gradient& bias) const;

  const LinearOptions& options() const { return options_; }
  /// Shared with every copy of this layer; tie it by giving another layer a copy.
  const Parameter& weight() const { return weight_; }
  const Parameter& bias() const { return bias_; }

 private:
  LinearOptions options_;
  Parameter weight_, bias_;
  Slot bias_scratch_;
};

/// y = x W^T + b: x [..., in] of a floating type to y [..., out] of the same. Throws Error for
/// other inputs.
Value linear(const Value& x, std::int64_t out);
/// y = x W^T with another layer's weight, [out, in]: linear(x, embedding.weight()). Its gradient is
/// the sum of both layers'.
Value linear(const Value& x, const Parameter& weight);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
