#include "core/train/recipe/model.h"

#include "core/base/error.h"
#include "core/graph/notices.h"
#include "core/graph/registry.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// "digits.toml, line 14: layer 2 (linear)", the place in the recipe that a message is about.
std::string place(const LayerRecipe& layer) {
  const std::string& where = layer.options.where();
  return where.empty() ? layer.options.owner() : str(where, ": ", layer.options.owner());
}

LayerEntry entry_of(const LayerRecipe& recipe) {
  try {
    return registered_layer(recipe.type);
  } catch (const Error& error) {
    ADJOINT_FAIL(place(recipe), ": ", error.message());
  }
}

Value apply_layer(Graph& graph, const LayerRecipe& recipe, const Value& x) {
  const std::shared_ptr<Layer> layer = make_chain_layer(recipe);
  try {
    return graph.apply(layer, {x})[0];
  } catch (const Error& error) {
    ADJOINT_FAIL(place(recipe), ": ", error.message());
  }
}

Shape with_batch(std::int64_t batch, const Shape& sample) {
  std::vector<std::int64_t> extents{batch};
  extents.insert(extents.end(), sample.extents().begin(), sample.extents().end());
  return Shape(extents);
}

// Classes take a number each, numbers to predict themselves, and a sample that is made again its
// own shape, flattened or not.
void check_prediction(const Recipe& recipe, const Value& x, const ModelOptions& options,
                      std::int64_t batch) {
  const bool again = options.classes == 0 && options.outputs == 0;
  const std::int64_t width = options.classes > 0   ? options.classes
                             : options.outputs > 0 ? options.outputs
                                                   : options.sample.count();
  const TensorType wanted{DType::float32, {batch, width}};
  if (x.type() == wanted) return;
  if (again && x.type() == TensorType{DType::float32, with_batch(batch, options.sample)}) return;
  const std::string what = options.classes > 0 ? str("a number for each of the ", width, " classes")
                           : options.outputs > 0 ? str("the ", width, " numbers to predict")
                                                 : str("the ", width, " numbers of the input");
  ADJOINT_FAIL(place(recipe.layers.back()), ": the last layer makes ", x.type(), ", expected ",
               wanted, ", ", what, "; end with {type = \"linear\", out = ", width, "}",
               x.shape().rank() == 2 ? "" : ", after {type = \"flatten\"}");
}

// What the loss compares the prediction with.
Value target_of(const Model& model) {
  if (model.target) return *model.target;
  if (model.prediction.shape() == model.input.shape()) return model.input;
  const LayerRecipe flatten{.type = "flatten", .options = Options("flatten")};
  return model.graph->apply(make_layer(flatten), {model.input})[0];
}

Value apply_loss(Graph& graph, const Recipe& recipe, const std::shared_ptr<Layer>& loss,
                 const Value& prediction, const Value& target) {
  ADJOINT_CHECK(loss->traits().gradient_in_forward, place(recipe.loss), ": ", recipe.loss.type,
                " makes no totals of losses; expected a loss such as softmax_cross_entropy or mse, "
                "without reduction = \"none\"");
  try {
    return graph.apply(loss, {prediction, target})[0];
  } catch (const Error& error) {
    ADJOINT_FAIL(place(recipe.loss), ": ", error.message());
  }
}

LossTargets targets_of(const Layer& loss, const std::string& type) {
  const std::vector<ValueRange> expected = loss.expects();
  return {.loss = type, .range = expected.size() > 1 ? expected[1] : ValueRange()};
}

void ask_loss(Model& model, const std::string& type, const std::shared_ptr<Layer>& loss,
              const ModelOptions& options) {
  model.loss = std::dynamic_pointer_cast<const LossLayer>(loss);
  if (options.with_loss && options.classes == 0) model.wanted = targets_of(*loss, type);
  if (model.loss == nullptr) return;
  model.predicts_logits = options.outputs > 0 && model.loss->predicts() != Predicted::number;
  if (options.classes > 0)
    model.ignored_label = model.loss->ignored_label().value_or(model.ignored_label);
}

}  // namespace

ModelOptions model_options(const Dataset& dataset) {
  return {.sample = dataset.sample, .classes = dataset.classes, .outputs = dataset.outputs};
}

std::shared_ptr<Layer> make_layer(const LayerRecipe& recipe) {
  Options options = recipe.options;
  std::shared_ptr<Layer> layer = entry_of(recipe).make(options);
  options.finish();
  return layer;
}

std::shared_ptr<Layer> make_chain_layer(const LayerRecipe& recipe) {
  const Arity arity = entry_of(recipe).arity;
  const bool one_input = arity.most_inputs == 1;
  ADJOINT_CHECK(one_input && arity.outputs == 1, place(recipe), ": ", recipe.type,
                one_input ? " makes several outputs" : " takes several inputs",
                ", and the layers of a recipe are a chain; use it from C++");
  return make_layer(recipe);
}

LossTargets loss_targets(const LayerRecipe& loss) {
  return targets_of(*make_layer(loss), loss.type);
}

LossTargets loss_targets(const Recipe& recipe) {
  return recipe.data.task == Task::classification ? LossTargets() : loss_targets(recipe.loss);
}

Model build_model(Context& context, const Recipe& recipe, const ModelOptions& options) {
  const DType precision = recipe.train.precision;
  // float64 is for checking gradients: samples, predictions and metrics are float32.
  ADJOINT_CHECK(precision != DType::float64, "[train] precision: ", name(precision),
                " is not trained in; expected float32, bfloat16 or float16");
  const std::int64_t batch = options.batch > 0 ? options.batch : recipe.train.batch;
  Model model{.graph = std::make_unique<Graph>(context),
              .classes = options.classes,
              .outputs = options.outputs};
  Graph& graph = *model.graph;
  model.input = graph.input(with_batch(batch, options.sample), DType::float32, {.name = "input"});
  if (options.with_loss && options.classes > 0)
    model.target = graph.input({batch}, DType::int32, {.name = "labels"});
  else if (options.with_loss && options.outputs > 0)
    model.target = graph.input({batch, options.outputs}, DType::float32, {.name = "target"});
  Value x = model.input;
  for (const LayerRecipe& layer : recipe.layers) x = apply_layer(graph, layer, x);
  check_prediction(recipe, x, options, batch);
  model.prediction = x;
  model.range = value_ranges(graph.program())[std::size_t(x.id())];
  const std::shared_ptr<Layer> loss = make_layer(recipe.loss);
  if (options.with_loss) model.totals = apply_loss(graph, recipe, loss, x, target_of(model));
  ask_loss(model, recipe.loss.type, loss, options);
  CompileOptions compile{.compute_type = precision,
                         .accumulate = recipe.optim.accumulate > 1,
                         .rewrite = options.rewrite,
                         .log_notices = options.log_notices};
  if (options.with_loss) compile.losses = {model.totals};
  if (options.classes == 0 || options.keep_prediction || !options.with_loss)
    compile.outputs = {model.prediction};
  graph.compile(compile);
  ADJOINT_CHECK(!graph.parameters().empty(), recipe.name,
                ": no layer of the model has parameters; there is nothing to learn");
  return model;
}

std::int64_t updates_per_epoch(const Recipe& recipe, std::int64_t samples) {
  const std::int64_t per_update = recipe.train.batch * recipe.optim.accumulate;
  return (samples + per_update - 1) / per_update;
}

std::int64_t total_updates(const Recipe& recipe, std::int64_t samples) {
  if (recipe.train.steps) return *recipe.train.steps;
  return recipe.train.epochs.value_or(1) * updates_per_epoch(recipe, samples);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
