// AddLayerNorm: s = a + b and y = layer_norm(s) in one pass over memory, both ways. A rewrite makes
// it of an add and the norm after it: the residual connection of transformers.
#pragma once

#include "layers/norms/layer_norm.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Inputs a, b; outputs s, y. The gradients of a and b are equal, ds + norm'(dy), so the planner
/// lets them share memory, with ds too.
class AddLayerNorm : public LayerOf<AddLayerNorm> {
 public:
  /// `name` names the norm's parameters; empty: the node's does.
  AddLayerNorm(std::string name, LayerNorm norm) : name_(std::move(name)), norm_(std::move(norm)) {}

  std::string kind() const override { return "add_layer_norm"; }
  Signature infer(const Signature& x) const override;
  Traits traits() const override {
    return {.backward_reads_x = false,
            .backward_reads_y = true,
            .forward_in_place = true,
            .backward_in_place = true,
            .gradients_equal = true};
  }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  std::string name_;
  LayerNorm norm_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
