// Linear: y = x W^T + b over the last axis.
#pragma once

#include <optional>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct LinearOptions {
  std::int64_t in = 0;  ///< features taken; 0 takes what comes
  std::int64_t out = 0;
  bool bias = true;
  /// By default uniform in +-1 / sqrt(in), for weight and bias, as in LeCun et al. 1998 (Efficient
  /// BackProp) up to a constant, and as PyTorch does. In recipes weight_init and bias_init.
  std::optional<Initializer> weight_initializer;
  std::optional<Initializer> bias_initializer;
};

/// x [..., in] -> y [..., out], weight [out, in], bias [out].
class Linear : public LayerOf<Linear> {
 public:
  explicit Linear(std::int64_t out) : Linear(LinearOptions{.out = out}) {}
  Linear(std::int64_t in, std::int64_t out) : Linear(LinearOptions{.in = in, .out = out}) {}
  explicit Linear(const LinearOptions& options);

  std::string kind() const override { return "linear"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override;
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature& x) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
  std::int64_t multiply_adds(const Signature& x) const override;

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

/// Applies a Linear of `out` features.
Value linear(const Value& x, std::int64_t out);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
