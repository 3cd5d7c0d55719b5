#include "layers/losses/total_loss.h"

#include <algorithm>
#include <cmath>

#include "core/graph/registry.h"
#include "kernels/total_loss.h"
#include "kernels/totals.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

TotalLoss::TotalLoss(std::vector<float> weights) : weights_(std::move(weights)) {
  ADJOINT_CHECK(!weights_.empty() && std::ssize(weights_) <= kMostLosses,
                "total_loss: expected 1 to ", kMostLosses, " losses, got ", weights_.size());
  for (float weight : weights_)
    ADJOINT_CHECK(std::isfinite(weight), "total_loss: expected finite weights, got ", weight);
}

Signature TotalLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == weights_.size(), "total_loss: expected ", weights_.size(),
                " totals, one a weight, got ", x.size());
  bool undivided = true;
  for (const TensorType& type : x) {
    ADJOINT_CHECK(type.dtype == x[0].dtype && is_totals(type.shape) &&
                      type.dtype == accumulation_type(type.dtype),
                  "total_loss: expected totals of losses, of one type, got ", type,
                  "; losses with reduction \"none\" have no totals");
    undivided = undivided && is_undivided(type.shape);
  }
  const bool divided =
      std::ranges::none_of(x, [](const TensorType& type) { return is_undivided(type.shape); });
  ADJOINT_CHECK(
      undivided || divided, "total_loss: expected losses of Reduction::sum alone, or of ",
      "means alone: a sum beside a mean would weigh otherwise in batches of another size");
  return {{x[0].dtype, totals_shape(undivided)}};
}

void TotalLoss::forward(Context& context, const ForwardCall& call) {
  total_loss(context.stream(),
             {.totals = call.x,
              .weights = weights_,
              .gradients = traits().gradient_in_forward ? call.dx : std::span<const Gradient>(),
              .total = call.y[0],
              .scale = context.loss_scale()});
}

void TotalLoss::backward(Context& context, const BackwardCall& call) {
  total_loss(context.stream(),
             {.totals = call.x, .weights = weights_, .gradients = call.dx, .dy = call.dy[0]});
}

Value total_loss(const std::vector<std::pair<Value, float>>& losses) {
  ADJOINT_CHECK(!losses.empty(), "total_loss: expected at least one loss");
  std::vector<Value> totals;
  std::vector<float> weights;
  for (const auto& [value, weight] : losses) {
    totals.push_back(value);
    weights.push_back(weight);
  }
  return totals[0].graph().apply(TotalLoss(weights), totals);
}

namespace {

std::shared_ptr<Layer> make(Options& options) {
  const std::vector<double> weights = options.numbers("weights");
  return std::make_shared<TotalLoss>(std::vector<float>(weights.begin(), weights.end()));
}

// Totals of sums: those of means have derivatives by counts, which are left out.
const bool kRegistered = register_layer({
    .kind = "total_loss",
    .arity = {.least_inputs = 1, .most_inputs = kMostLosses},
    .make = make,
    .example = {{"weights", std::vector<double>{1, 0.5}}},
    .cases = {{.name = "total_loss",
               .make =
                   [] {
                     return std::make_shared<TotalLoss>(std::vector<float>{1, 0.5f});
                   },
               .inputs = {{{DType::float32, totals_shape(true)}},
                          {{DType::float32, totals_shape(true)}}},
               .smallest_batch = totals_shape(true)[0]}},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
