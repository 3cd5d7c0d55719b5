// The optimizer of a recipe.
#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/train/recipe/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Where gradients of float16 begin. They are sums over the batch: a scale of 65536, as is usual for
// means, is divided by it, so that sums of gradients near 1 are not beyond the largest number,
// 65504, from the start. A power of two loses no digits.
double first_dynamic_scale(std::int64_t batch) {
  return std::exp2(std::max(0.0, 16 - std::ceil(std::log2(double(batch)))));
}

}  // namespace

std::unique_ptr<Optimizer> build_optimizer(Context& context, const Recipe& recipe,
                                           const Graph& graph, std::int64_t total_steps) {
  const OptimizerRecipe& optim = recipe.optim;
  const ParameterSlab slab = graph.slab();
  OptimizerOptions options{
      .schedule = recipe.schedule.fitting_schedule(optim.lr, std::uint64_t(total_steps)),
      .check_gradient = optim.check_gradient,
      .clip_norm = optim.clip_norm,
      .clip_value = optim.clip_value,
      .loss_scale = optim.loss_scale.value_or(1),
      .groups = optim.groups,
      .ema = optim.ema,
      .ema_warmup = optim.ema_warmup};
  const bool in_float16 = slab.compute.defined() && slab.compute.dtype() == DType::float16;
  if (in_float16 && !optim.loss_scale) {
    options.loss_scale = first_dynamic_scale(graph.max_batch());
    options.scaling = {.dynamic = true,
                       .growth_interval = static_cast<std::uint32_t>(optim.growth_interval)};
  }
  try {
    return std::make_unique<Optimizer>(context, slab, optim.rule, options);
  } catch (const Error& error) {
    ADJOINT_FAIL(recipe.name, ": [optim]: ", error.message());
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
