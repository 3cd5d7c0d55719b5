// CtcLoss: connectionist temporal classification (Graves et al. 2006): how likely a sequence of
// labels is, where nobody says which steps they belong to.
#pragma once

#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct CtcOptions {
  std::int32_t blank = 0;  ///< the class of steps without a label
  /// Targets that no path can spell have loss 0 instead of infinity. Either way no gradient.
  bool zero_infinity = false;
  /// `mean` divides each loss by the length of its target (at least 1) and totals count sequences,
  /// as PyTorch has it; `sum` and `none` divide by nothing.
  Reduction reduction = Reduction::mean;
};

/// Inputs log-probabilities [batch, time, classes] and targets int32 [batch, length] of classes but
/// the blank, ended by a negative number where they are shorter; optionally the steps and the
/// labels of each sequence, int32 [batch] both, and then what stands behind the labels does not
/// matter. Losses are [batch]. Totals: sum, number of sequences, 0.
class CtcLoss : public LossOf<CtcLoss> {
 public:
  explicit CtcLoss(const CtcOptions& options = {});

  std::string kind() const override { return "ctc"; }
  Signature infer(const Signature& x) const override;
  std::vector<ValueRange> expects() const override { return {ValueRange::log_probabilities()}; }
  Predicted predicts() const override { return Predicted::label; }
  void build(Builder& builder) override;
  /// Throws Error naming the first sequence of a batch with bad labels or lengths.
  void verify(Context& context) override;

 protected:
  void run(Context& context, const Run& run) override;

 private:
  struct Work {
    Slot a_and_b, links;
  };
  Work work(Builder& builder, Phase phase) const;

  CtcOptions options_;
  Slot status_;
  Work forward_, backward_;
};

/// The totals, or losses; see CtcLoss.
Value ctc(const Value& x, const Value& targets, const CtcOptions& options = {});
/// The same with the number of steps and of labels of each sequence.
Value ctc(const Value& x, const Value& targets, const Value& times, const Value& lengths,
          const CtcOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
