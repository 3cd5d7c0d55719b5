// CrossEntropyLoss: softmax and cross-entropy against class labels or distributions over the
// classes. It makes its gradient while it makes the loss, from one reading of the logits.
#pragma once

#include "layers/losses/class_labels.h"
#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct CrossEntropyOptions {
  /// The target is (1 - s) one_hot(label) + s / classes (Szegedy et al. 2016, section 7). In [0,
  /// 1].
  double label_smoothing = 0.0;
  /// Rows with this label count for nothing.
  std::int32_t ignored_label = -100;
  /// Factor of the loss and its gradient. For several losses in one graph see total_loss.
  double weight = 1.0;
  /// What each class weighs, none for 1: q_j = w_j t_j takes the place of the target t, and a row
  /// counts as much as its label's class weighs (with distributions, 1), as in PyTorch.
  std::vector<double> class_weights = {};
  Reduction reduction = Reduction::mean;
};

/// As recipes have them: label_smoothing, ignored_label, class_weights, reduction. Throws Error
/// naming the key for a value out of range.
CrossEntropyOptions cross_entropy_options(Options& options);

/// Inputs logits [..., classes] and either labels int32 [...] or targets [..., classes] of the
/// logits' type, which should be distributions. Losses are [...]. Totals: the sum of losses over
/// rows, the number of rows that count (their weight), and the number of those whose largest logit
/// is the label's, or that of a largest target.
class CrossEntropyLoss : public LossOf<CrossEntropyLoss> {
 public:
  explicit CrossEntropyLoss(CrossEntropyOptions options = {});

  std::string kind() const override { return "softmax_cross_entropy"; }
  Signature infer(const Signature& x) const override;
  std::vector<ValueRange> expects() const override {
    return {ValueRange::real(), ValueRange::probabilities()};
  }
  Predicted predicts() const override { return Predicted::label; }
  std::optional<std::int32_t> ignored_label() const override { return options_.ignored_label; }
  void inverse_link(std::span<double> logits) const override { softmax_row(logits); }
  void best(std::span<const float> target, std::span<float> prediction) const override;
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature&, const ParameterGradients&) override {
    labels_.prepare(context);
  }
  /// Throws Error naming the first row of a batch whose label was out of range.
  void verify(Context& context) override;

  /// Loss and gradient of a part of the rows, [rows, columns], for layers that make the logits
  /// themselves. Columns behind the classes are padding: not read, with gradients of 0. The
  /// gradient may be the memory of the logits.
  void run_part(Context& context, const Tensor& logits, const Tensor& labels, std::int64_t classes,
                const Gradient& gradient, const Tensor& totals, bool accumulate_totals);
  /// Declares what run_part() needs for that many rows and classes.
  void build_for(Builder& builder, std::int64_t rows, const TensorType& logits);

 protected:
  void run(Context& context, const Run& run) override;

 private:
  void run_labels(Context& context, const Tensor& logits, const Tensor& labels,
                  std::int64_t classes, const Gradient& gradient, const LossOutput& out);

  CrossEntropyOptions options_;
  ClassLabels labels_;
};

/// The totals, or losses; see CrossEntropyLoss.
Value softmax_cross_entropy(const Value& logits, const Value& target,
                            const CrossEntropyOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
