// TotalLoss: several losses in one graph as one, each weighted and averaged over what it counts.
#pragma once

#include <utility>
#include <vector>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Inputs totals T_i [3] of losses, one a weight w_i. Output totals {N sum_i w_i T_i[0] / T_i[1],
/// N, T_0[2]}, N being the first T_i[1] that is not 0: divided by N, as the optimizer does, they
/// are sum_i w_i mean_i, also where only the device knows the counts (ignored labels). A loss that
/// counted nothing adds nothing. Of losses with Reduction::sum, [4], the sum takes the place of the
/// mean, and the output is such too, {sum_i w_i T_i[0], N, T_0[2], 1}; sums beside means are
/// refused. The gradient is made in forward, of T_i[0] alone: counts have none.
class TotalLoss : public LayerOf<TotalLoss> {
 public:
  explicit TotalLoss(std::vector<float> weights);

  std::string kind() const override { return "total_loss"; }
  Signature infer(const Signature& x) const override;
  Traits traits() const override {
    return {.backward_reads_x = deferred_, .gradient_in_forward = !deferred_};
  }
  void defer_gradient() override { deferred_ = true; }
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  std::vector<float> weights_;
  bool deferred_ = false;
};

/// Each loss's totals with its weight; 1 to 16 of them (kMostLosses, kernels/total_loss.h), or it
/// throws Error.
Value total_loss(const std::vector<std::pair<Value, float>>& losses);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
