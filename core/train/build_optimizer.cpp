// The optimizer of a recipe.
#include "core/base/error.h"
#include "core/train/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

// Where gradients of float16 begin: as high as losses go, for the first overflows to bring it down.
constexpr double kFirstDynamicScale = 65536;

}  // namespace

std::unique_ptr<Optimizer> build_optimizer(Context& context, const Recipe& recipe,
                                           const Graph& graph, std::int64_t total_steps) {
  const OptimizerRecipe& optim = recipe.optim;
  const ParameterSlab slab = graph.slab();
  OptimizerOptions options{.schedule = build_schedule(recipe.schedule, optim.lr, total_steps),
                           .check_gradient = optim.check_gradient,
                           .clip_norm = optim.clip_norm,
                           .clip_value = optim.clip_value,
                           .loss_scale = optim.loss_scale.value_or(1),
                           .groups = optim.groups,
                           .ema = optim.ema};
  const bool in_float16 = slab.compute.defined() && slab.compute.dtype() == DType::float16;
  if (in_float16 && !optim.loss_scale) {
    options.loss_scale = kFirstDynamicScale;
    options.scaling = {.dynamic = true,
                       .growth_interval = static_cast<std::uint32_t>(optim.growth_interval)};
  }
  try {
    return std::make_unique<Optimizer>(context, slab, optim.method, options);
  } catch (const Error& error) {
    ADJOINT_FAIL(recipe.name, ": [optim]: ", error.message());
  }
}

}  // namespace adjoint::inline ADJOINT_BACKEND
