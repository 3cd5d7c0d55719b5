// Losses between probabilities, of each element for itself; see PointwiseLoss. In recipes:
// "bce_with_logits", "kl_divergence". x and target are floating, of one type and shape; the result
// is totals [3], or, with Reduction::none, losses of that shape.
#pragma once

#include "layers/losses/pointwise_loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct BinaryCrossEntropyOptions {
  double pos_weight = 1.0;  ///< factor of the first term: above 1 makes positives count for more
  Reduction reduction = Reduction::mean;
};

/// -(w t log sigmoid(x) + (1 - t) log(1 - sigmoid(x))) for logits x and targets t in [0, 1]; finite
/// for all finite x. The totals' third counts elements with x > 0 just where t > 1/2.
Value bce_with_logits(const Value& x, const Value& target,
                      const BinaryCrossEntropyOptions& options = {});

struct KlDivergenceOptions {
  bool log_target = false;  ///< targets are log-probabilities, too
  Reduction reduction = Reduction::mean;
  /// Totals count entries of the leading axis, as the definition has it, not elements; PyTorch's
  /// "batchmean", and `reduction = "batchmean"` in recipes. Only with Reduction::mean.
  bool of_batch = false;
};

/// t (log t - x) for log-probabilities x and target probabilities t, 0 where t is 0 (Kullback and
/// Leibler 1951).
Value kl_divergence(const Value& x, const Value& target, const KlDivergenceOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
