// CrossEntropyLoss: softmax and cross-entropy against class labels. It makes its gradient while it
// makes the loss, from one reading of the logits.
#pragma once

#include "core/graph/graph.h"
#include "kernels/softmax_cross_entropy.h"

namespace adjoint::inline ADJOINT_BACKEND {

struct CrossEntropyOptions {
  /// The target is (1 - s) one_hot(label) + s / classes (Szegedy et al. 2016, section 7). In [0,
  /// 1].
  float label_smoothing = 0.0f;
  /// Rows with this label count for nothing.
  std::int32_t ignored_label = -100;
  /// Factor of the loss and its gradient, for several losses in one graph.
  float weight = 1.0f;
};

/// Inputs logits [..., classes] and labels int32 [...]. One output, totals [3]: the sum of losses
/// over rows, the number of rows that count, and the number of those whose largest logit is the
/// label's. The gradient is that of the sum.
class CrossEntropyLoss : public LayerOf<CrossEntropyLoss> {
 public:
  explicit CrossEntropyLoss(const CrossEntropyOptions& options = {});

  std::string kind() const override { return "softmax_cross_entropy"; }
  Signature infer(const Signature& x) const override;
  Traits traits() const override {
    return {.backward_reads_x = false, .gradient_in_forward = true};
  }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context&, const BackwardCall&) override {}
  /// Throws Error naming the first row of a batch whose label was out of range.
  void verify(Context& context) override;

  /// Loss and gradient of a part of the rows, [rows, classes], for layers that make the logits
  /// themselves. The gradient may be the memory of the logits.
  void run(Context& context, const Tensor& logits, const Tensor& labels, const Gradient& gradient,
           const Tensor& totals, bool accumulate_totals);
  /// Declares what run() needs for that many rows.
  void build_for(Builder& builder, std::int64_t rows);

 private:
  CrossEntropyOptions options_;
  Slot status_, counter_, scratch_;
};

/// The totals; see CrossEntropyLoss.
Value softmax_cross_entropy(const Value& logits, const Value& labels,
                            const CrossEntropyOptions& options = {});

}  // namespace adjoint::inline ADJOINT_BACKEND
