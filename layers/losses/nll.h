// NllLoss: the negative logarithm of the likelihood of class labels, from log-probabilities.
#pragma once

#include "layers/losses/class_labels.h"
#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct NllOptions {
  /// Rows with this label count for nothing.
  std::int32_t ignored_label = -100;
  /// What each class weighs, none for 1: factor of the loss and of what a row counts.
  std::vector<double> class_weights = {};
  Reduction reduction = Reduction::mean;
};

/// Inputs log-probabilities [..., classes] and labels int32 [...]. Losses are [...]. Totals: the
/// sum of losses over rows, the number of rows that count (their weight), and the number of those
/// whose largest log-probability is the label's.
class NllLoss : public LossOf<NllLoss> {
 public:
  explicit NllLoss(NllOptions options = {});

  std::string kind() const override { return "nll"; }
  Signature infer(const Signature& x) const override;
  std::vector<ValueRange> expects() const override { return {ValueRange::log_probabilities()}; }
  Predicted predicts() const override { return Predicted::label; }
  std::optional<std::int32_t> ignored_label() const override { return labels_.ignored(); }
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature&, const ParameterGradients&) override {
    labels_.prepare(context);
  }
  /// Throws Error naming the first row of a batch whose label was out of range.
  void verify(Context& context) override { labels_.verify(context); }

 protected:
  void run(Context& context, const Run& run) override;

 private:
  ClassLabels labels_;
};

/// The totals, or losses; see NllLoss.
Value nll(const Value& x, const Value& labels, const NllOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
