#include "layers/losses/pointwise_loss.h"

#include <algorithm>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

PointwiseLoss::PointwiseLoss(Operations operations, const Form& form)
    : LossOf(form.reduction), operations_(std::move(operations)), form_(form) {
  ADJOINT_CHECK(!form.of_batch || form.reduction == Reduction::mean, kind(),
                ": the mean over the batch is a mean; expected Reduction::mean");
}

Signature PointwiseLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1, kind(),
                ": expected a floating prediction and its target, got ", x.size(), " inputs");
  ADJOINT_CHECK(x[1] == x[0], kind(), ": expected a target ", x[0], " like the prediction, got ",
                x[1]);
  return output(x[0].dtype, x[0].shape);
}

void PointwiseLoss::build(Builder& builder) {
  build_sums(builder, pointwise_loss_pieces(builder.inputs()[0].shape.count()));
}

void PointwiseLoss::best(std::span<const float> target, std::span<float> prediction) const {
  if (!operations_.best) return LossLayer::best(target, prediction);
  std::ranges::transform(target, prediction.begin(),
                         [&](float t) { return static_cast<float>(operations_.best(double(t))); });
}

void PointwiseLoss::inverse_link(std::span<double> prediction) const {
  if (operations_.probability)
    std::ranges::transform(prediction, prediction.begin(), operations_.probability);
}

void PointwiseLoss::run(Context& context, const Run& run) {
  const Tensor& x = run.x[0];
  operations_.run(context.stream(), {.x = x,
                                     .target = run.x[1],
                                     .dx = run.dx[0],
                                     .dtarget = run.dx[1],
                                     .out = run.out,
                                     .count = double(form_.of_batch ? x.shape()[0] : x.count())});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
