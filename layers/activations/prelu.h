// PReLU: y = x where positive, else a learned slope times x.
#pragma once

#include "core/graph/graph.h"
#include "kernels/channels.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// He et al. 2015: one slope, or one for each entry of axis 1 (features or channels); they start at
/// 0.25. The derivative at 0 is the slope.
class PReLU : public LayerOf<PReLU> {
 public:
  explicit PReLU(bool per_channel = false) : per_channel_(per_channel) {}

  std::string kind() const override { return "prelu"; }
  std::string describe() const override { return per_channel_ ? "prelu(per channel)" : "prelu"; }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true, .backward_in_place = true}; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  ChannelShape channels(const Shape& x) const;

  bool per_channel_;
  Parameter slope_;
  Slot scratch_;
};

/// x [batch, ...], floating -> the same shape: x where it is positive, else a learned slope times x
/// (He et al. 2015), one slope or, of x [batch, channels, ...], one a channel. Throws Error for an
/// x without channels where these have slopes.
Value prelu(const Value& x, bool per_channel = false);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
