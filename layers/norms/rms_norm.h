// RMSNorm: each row to a mean square of 1, then scaled per feature.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Zhang and Sennrich 2019: y = x / sqrt(mean of x^2 + epsilon) weight over the last axis; weight
/// [features] starts at 1. All finite numbers may be normalised.
class RMSNorm : public LayerOf<RMSNorm> {
 public:
  /// `features` 0 takes what comes.
  explicit RMSNorm(std::int64_t features = 0, double epsilon = 1e-5);

  std::string kind() const override { return "rms_norm"; }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true, .backward_in_place = true}; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  std::int64_t features_;
  double epsilon_;
  Parameter weight_;
  Slot rrms_, scratch_;
};

/// x [..., features], floating -> the same shape: x / sqrt(mean of x^2 + epsilon) weight over the
/// last axis (Zhang and Sennrich 2019).
Value rms_norm(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
