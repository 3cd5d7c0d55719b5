// TripletLoss: draws an anchor nearer to a positive than to a negative.
#pragma once

#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct TripletOptions {
  double margin = 1.0;  ///< by how much farther the negative should be; above 0
  Reduction reduction = Reduction::mean;
};

/// Inputs anchor, positive and negative, [..., features] each, floating, of one type. Losses are
/// [...]: max(0, |a - p| - |a - n| + margin), with Euclidean norms. Squares must not overflow:
/// infinite or NaN from distances of 10^19 on (float64 10^154). Totals: sum, number of triplets,
/// number of those whose positive is nearer.
class TripletLoss : public LossOf<TripletLoss> {
 public:
  explicit TripletLoss(const TripletOptions& options = {});

  std::string kind() const override { return "triplet"; }
  Signature infer(const Signature& x) const override;
  void build(Builder& builder) override;

 protected:
  void run(Context& context, const Run& run) override;

 private:
  TripletOptions options_;
};

/// The totals, or losses; see TripletLoss.
Value triplet(const Value& anchor, const Value& positive, const Value& negative,
              const TripletOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
