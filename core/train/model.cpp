#include "core/train/model.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/graph/registry.h"
#include "layers/softmax_cross_entropy.h"
#include "optim/adamw.h"
#include "optim/sgd.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

// "digits.toml, line 14: layer 2 (linear)", the place in the recipe that a message is about.
std::string place(const LayerRecipe& layer) {
  const std::string& where = layer.options.where();
  return where.empty() ? layer.options.owner() : str(where, ": ", layer.options.owner());
}

Value apply_layer(Graph& graph, const LayerRecipe& recipe, const Value& x) {
  const std::shared_ptr<Layer> layer = make_layer(recipe);
  try {
    const std::vector<Value> y = graph.apply(layer, {x});
    ADJOINT_CHECK(y.size() == 1, recipe.type, " makes ", y.size(), " values; expected one");
    return y[0];
  } catch (const Error& error) {
    ADJOINT_FAIL(place(recipe), ": ", error.message());
  }
}

Schedule build_schedule(const Recipe& recipe, std::int64_t total_steps) {
  const auto warmup = static_cast<std::uint64_t>(recipe.schedule.warmup_steps);
  if (recipe.schedule.type == "constant")
    return constant(recipe.optim.lr, {.warmup_steps = warmup});
  // A run cut short, to try something, should not fail for its warm-up.
  const auto total = static_cast<std::uint64_t>(total_steps);
  return cosine(recipe.optim.lr, total,
                {.warmup_steps = std::min(warmup, total - 1), .final = recipe.schedule.final_lr});
}

}  // namespace

std::shared_ptr<Layer> make_layer(const LayerRecipe& recipe) {
  Options options = recipe.options;
  const LayerEntry entry = [&] {
    try {
      return registered_layer(recipe.type);
    } catch (const Error& error) {
      ADJOINT_FAIL(place(recipe), ": ", error.message());
    }
  }();
  ADJOINT_CHECK(entry.make, place(recipe), ": ", recipe.type,
                " takes several inputs, and the layers of a recipe are a chain; use it from C++");
  std::shared_ptr<Layer> layer = entry.make(options);
  options.finish();
  return layer;
}

Model build_model(Context& context, const Recipe& recipe, const ModelOptions& options) {
  const DType precision = recipe.train.precision;
  ADJOINT_CHECK(precision == DType::float32 || precision == DType::bfloat16,
                "[train] precision: ", name(precision),
                " cannot be trained in yet; expected float32 or bfloat16");
  const std::int64_t batch = options.batch > 0 ? options.batch : recipe.train.batch;
  Model model{.graph = std::make_unique<Graph>(context)};
  Graph& graph = *model.graph;
  const Shape& image = options.image;
  model.images =
      graph.input({batch, image[0], image[1], image[2]}, DType::float32, {.name = "images"});
  model.labels = graph.input({batch}, DType::int32, {.name = "labels"});
  Value x = model.images;
  for (const LayerRecipe& layer : recipe.layers) x = apply_layer(graph, layer, x);
  ADJOINT_CHECK((x.type() == TensorType{DType::float32, {batch, options.classes}}),
                place(recipe.layers.back()), ": the last layer makes ", x.type(), ", expected ",
                TensorType{DType::float32, {batch, options.classes}}, ", a number for each of the ",
                options.classes, " classes; end with {type = \"linear\", out = ", options.classes,
                "}", x.shape().rank() == 2 ? "" : ", after {type = \"flatten\"}");
  CrossEntropyOptions loss{.label_smoothing = static_cast<float>(recipe.loss.label_smoothing)};
  if (recipe.loss.ignored_label) loss.ignored_label = *recipe.loss.ignored_label;
  model.classes = options.classes;
  model.ignored_label = loss.ignored_label;
  model.totals = softmax_cross_entropy(x, model.labels, loss);
  graph.compile({.losses = {model.totals},
                 .compute_type = precision,
                 .accumulate = recipe.optim.accumulate > 1,
                 .rewrite = options.rewrite});
  ADJOINT_CHECK(!graph.parameters().empty(), recipe.name,
                ": no layer of the model has parameters; there is nothing to learn");
  return model;
}

std::unique_ptr<Optimizer> build_optimizer(Context& context, const Recipe& recipe,
                                           const Graph& graph, std::int64_t total_steps) {
  const OptimizerRecipe& optim = recipe.optim;
  const Schedule schedule = build_schedule(recipe, total_steps);
  if (optim.type == "sgd") {
    ADJOINT_CHECK(!optim.nesterov, "[optim] nesterov: not built yet; leave it out");
    return std::make_unique<Sgd>(context, graph.slab(),
                                 SgdOptions{.momentum = optim.momentum,
                                            .weight_decay = optim.weight_decay,
                                            .schedule = schedule,
                                            .clip_norm = optim.clip_norm});
  }
  return std::make_unique<AdamW>(context, graph.slab(),
                                 AdamWOptions{.beta1 = optim.betas[0],
                                              .beta2 = optim.betas[1],
                                              .epsilon = optim.epsilon,
                                              .weight_decay = optim.weight_decay,
                                              .schedule = schedule,
                                              .clip_norm = optim.clip_norm});
}

std::int64_t updates_per_epoch(const Recipe& recipe, std::int64_t samples) {
  const std::int64_t per_update = recipe.train.batch * recipe.optim.accumulate;
  return (samples + per_update - 1) / per_update;
}

std::int64_t total_updates(const Recipe& recipe, std::int64_t samples) {
  if (recipe.train.steps) return *recipe.train.steps;
  return recipe.train.epochs.value_or(1) * updates_per_epoch(recipe, samples);
}

}  // namespace adjoint::inline ADJOINT_BACKEND
