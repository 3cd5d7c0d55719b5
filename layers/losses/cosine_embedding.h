// CosineEmbeddingLoss: draws vectors together in direction, or apart.
#pragma once

#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct CosineEmbeddingOptions {
  double margin = 0.0;  ///< cosine up to which unlike vectors cost nothing; in [-1, 1]
  Reduction reduction = Reduction::mean;
};

/// Inputs two of [..., features], floating, of one type, and as a third, optionally, labels int32
/// [...]: 1 for pairs to be alike, -1 for others; without labels all are alike. Losses are [...]:
/// 1 - cosine, or what the cosine exceeds the margin by. Squares must not overflow: NaN from
/// lengths of 10^19 on (float64 10^154). Totals: sum, number of pairs, number of pairs without
/// loss.
class CosineEmbeddingLoss : public LossOf<CosineEmbeddingLoss> {
 public:
  explicit CosineEmbeddingLoss(const CosineEmbeddingOptions& options = {});

  std::string kind() const override { return "cosine_embedding"; }
  Signature infer(const Signature& x) const override;
  void build(Builder& builder) override;
  /// Throws Error naming the first row of a batch whose label was neither 1 nor -1.
  void verify(Context& context) override;

 protected:
  void run(Context& context, const Run& run) override;

 private:
  CosineEmbeddingOptions options_;
  Slot status_;
};

/// The totals, or losses, of pairs to be alike; see CosineEmbeddingLoss.
Value cosine_embedding(const Value& x, const Value& target,
                       const CosineEmbeddingOptions& options = {});
/// The same with labels.
Value cosine_embedding(const Value& x, const Value& target, const Value& labels,
                       const CosineEmbeddingOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
