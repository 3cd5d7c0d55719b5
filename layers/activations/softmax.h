// Softmax over the last axis, or its logarithm.
#pragma once

#include "core/graph/graph.h"
#include "kernels/softmax.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x [..., classes] -> y of the same shape, whose rows add up to 1, or the logarithms of such rows.
/// Backward reads y, so y may take the place of x.
class Softmax : public LayerOf<Softmax> {
 public:
  explicit Softmax(SoftmaxForm form = SoftmaxForm::plain) : form_(form) {}

  std::string kind() const override {
    return form_ == SoftmaxForm::plain ? "softmax" : "log_softmax";
  }
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return form_ == SoftmaxForm::plain ? ValueRange::probabilities()
                                       : ValueRange::log_probabilities();
  }
  Traits traits() const override {
    return {.backward_reads_x = false,
            .backward_reads_y = true,
            .forward_in_place = true,
            .backward_in_place = true};
  }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  SoftmaxForm form_;
};

/// x [..., classes], floating -> the same shape: exp(x_j) / sum_k exp(x_k) over the last axis, the
/// largest x being taken off first. For a cross-entropy leave it out: that takes the logits.
Value softmax(const Value& x);
/// The logarithm of softmax(x), x_j - log sum_k exp(x_k), finite where softmax rounds to 0.
Value log_softmax(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
