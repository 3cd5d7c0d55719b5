#include "core/train/recipe/model.h"

#include <algorithm>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/graph/notices.h"
#include "core/graph/registry.h"
#include "core/train/recipe/layer_names.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Shape with_batch(std::int64_t batch, const Shape& sample) {
  std::vector<std::int64_t> extents{batch};
  extents.insert(extents.end(), sample.extents().begin(), sample.extents().end());
  return Shape(extents);
}

// What a message is about that the prediction does not fit.
std::string maker_of_prediction(const Recipe& recipe) {
  if (!recipe.losses[0].inputs.empty())
    return str(place_of(recipe.losses[0].options), ": its input '", recipe.losses[0].inputs[0],
               "'");
  if (recipe.layers.empty())
    return str(place_of(recipe.model_options), ": model type '", recipe.model_type, "'");
  return place_of(recipe.layers.back().options) + ": the last layer";
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
  ADJOINT_FAIL(maker_of_prediction(recipe), " makes ", x.type(), ", expected ", wanted, ", ", what,
               "; end with {type = \"linear\", out = ", width, "}",
               x.shape().rank() == 2 ? "" : ", after {type = \"flatten\"}");
}

// The input, in the shape that was made of it again.
Value input_again(ModelInputs& inputs, const Value& prediction) {
  const Value input = inputs(kInputName);
  if (prediction.shape() == input.shape()) return input;
  const LayerRecipe flatten{.type = "flatten", .options = Options("flatten")};
  return inputs.graph().apply(make_layer(flatten), {input})[0];
}

// What the values of a recipe's losses are found by.
struct LossSources {
  ModelInputs& inputs;
  const RecordedModel& recorded;
  bool again;  ///< the data's input is the target

  std::vector<Value> predictions(const LossRecipe& loss) const {
    if (loss.inputs.empty()) return {recorded.last};
    std::vector<Value> found;
    for (const std::string& name : loss.inputs) {
      const auto made = std::ranges::find(recorded.values, name, &NamedValues::value_type::first);
      found.push_back(made != recorded.values.end() ? made->second : inputs(name));
    }
    return found;
  }
};

std::optional<Value> target_of(const LossRecipe& loss, const LossSources& from,
                               const std::vector<Value>& predictions) {
  const Arity arity = registered_layer(loss.type).arity;
  const std::size_t taken = predictions.size();
  const bool complete = arity.takes(taken) && !arity.takes(taken + 1);
  ADJOINT_CHECK(!complete || loss.target.empty(), place_of(loss.options), ": target: ", loss.type,
                " takes ", arity.inputs_text(), " values, all of them named by input");
  if (complete) return std::nullopt;
  if (loss.target.empty() && from.again) return input_again(from.inputs, predictions[0]);
  try {
    return from.inputs(loss.target.empty() ? kTargetName : loss.target);
  } catch (const Error& error) {
    ADJOINT_FAIL(place_of(loss.options), ": target: ", error.message());
  }
}

ModelLoss apply_loss(const LossRecipe& recipe, const LossSources& from) {
  const std::shared_ptr<Layer> layer = make_layer(recipe);
  ADJOINT_CHECK(layer->traits().gradient_in_forward, place_of(recipe.options), ": ", recipe.type,
                " makes no totals of losses; expected a loss such as softmax_cross_entropy or mse, "
                "without reduction = \"none\"");
  std::vector<Value> values = from.predictions(recipe);
  ModelLoss loss{.name = recipe.name, .prediction = values[0], .metrics = recipe.metrics};
  loss.target = target_of(recipe, from, values);
  if (loss.target) values.push_back(*loss.target);
  if (const auto* known = dynamic_cast<const LossLayer*>(layer.get()))
    loss.predicts = known->predicts();
  try {
    loss.totals = from.inputs.graph().apply(layer, values)[0];
  } catch (const Error& error) {
    ADJOINT_FAIL(place_of(recipe.options), ": ", error.message());
  }
  return loss;
}

// Found by name, as all layers are.
Value total_of(Graph& graph, const Recipe& recipe, const std::vector<ModelLoss>& losses) {
  if (losses.size() == 1 && recipe.losses[0].weight == 1) return losses[0].totals;
  std::vector<double> weights;
  for (const LossRecipe& loss : recipe.losses) weights.push_back(loss.weight);
  std::vector<Value> totals;
  for (const ModelLoss& loss : losses) totals.push_back(loss.totals);
  Options options("[loss]", recipe.losses[0].options.where());
  options.set("weights", weights);
  try {
    return graph.apply(registered_layer("total_loss").make(options), totals)[0];
  } catch (const Error& error) {
    ADJOINT_FAIL(place_of(options), ": ", error.message());
  }
}

void apply_losses(Model& model, const Recipe& recipe, const LossSources& from) {
  const LossRecipe& first = recipe.losses[0];
  ADJOINT_CHECK(first.target.empty() || first.target == kTargetName, place_of(first.options),
                ": target: the first loss, by which models are ",
                "compared, is of the data's own target; expected \"", kTargetName,
                "\" or none, got \"", first.target, "\", which a further [[loss]] may name");
  for (const LossRecipe& loss : recipe.losses) model.losses.push_back(apply_loss(loss, from));
  model.totals = total_of(*model.graph, recipe, model.losses);
  if (!from.again) model.target = model.losses[0].target;
}

// Data that were asked for are to be of use.
void check_taken(const Recipe& recipe, const ModelInputs& inputs) {
  for (const BatchField& field : inputs.fields()) {
    if (field.name == kTargetName) continue;
    ADJOINT_CHECK(std::ranges::find(inputs.taken(), field.name, &NamedValues::value_type::first) !=
                      inputs.taken().end(),
                  recipe.name, ": the data's '", field.name, "' is taken by no layer and no loss; ",
                  "name it, input = \"", field.name, "\" or target = \"", field.name, "\"",
                  field.name == kInputName ? "" : ", or leave it out of [data]");
  }
}

LossTargets targets_of(const Layer& loss, const std::string& type) {
  const std::vector<ValueRange> expected = loss.expects();
  return {.loss = type, .range = expected.size() > 1 ? expected[1] : ValueRange()};
}

std::vector<BatchField> fields_of(const ModelOptions& options) {
  std::vector<BatchField> fields = batch_fields(
      {.sample = options.sample, .classes = options.classes, .outputs = options.outputs});
  fields.insert(fields.end(), options.arrays.begin(), options.arrays.end());
  return fields;
}

// What evaluation reads, beside the sum of several losses: each of them, and what metrics measure.
void keep_measured(const Model& model, std::vector<Value>& outputs) {
  for (const ModelLoss& loss : model.losses) {
    if (loss.totals.id() != model.totals.id()) outputs.push_back(loss.totals);
    if (!loss.metrics.empty()) outputs.push_back(loss.prediction);
    if (!loss.metrics.empty() && loss.target) outputs.push_back(*loss.target);
  }
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
  ModelOptions options{
      .sample = dataset.sample, .classes = dataset.classes, .outputs = dataset.outputs};
  for (const BatchField& field : batch_fields(dataset))
    if (field.name != kInputName && field.name != kTargetName) options.arrays.push_back(field);
  return options;
}

LossTargets loss_targets(const LossRecipe& loss) {
  return targets_of(*make_layer(loss), loss.type);
}

LossTargets loss_targets(const Recipe& recipe) {
  return recipe.data.task == Task::classification ? LossTargets() : loss_targets(recipe.losses[0]);
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
  const std::vector<BatchField> fields = fields_of(options);
  ModelInputs inputs(graph, fields, batch);
  const RecordedModel recorded = record_model(inputs, recipe);
  for (const std::string& notice : recorded.notices)
    if (options.log_notices) log_warning(notice);
  const LossSources sources{inputs, recorded, options.classes == 0 && options.outputs == 0};
  model.prediction = sources.predictions(recipe.losses[0])[0];
  check_prediction(recipe, model.prediction, options, batch);
  model.range = value_ranges(graph.program())[std::size_t(model.prediction.id())];
  if (options.with_loss) {
    apply_losses(model, recipe, sources);
    check_taken(recipe, inputs);
  }
  model.input = inputs(kInputName);
  model.inputs = inputs.taken();
  ask_loss(model, recipe.losses[0].type, make_layer(recipe.losses[0]), options);
  CompileOptions compile{.compute_type = precision,
                         .accumulate = recipe.optim.accumulate > 1,
                         .rewrite = options.rewrite,
                         .log_notices = options.log_notices};
  if (options.with_loss) compile.losses = {model.totals};
  if (options.classes == 0 || options.keep_prediction || !options.with_loss)
    compile.outputs = {model.prediction};
  keep_measured(model, compile.outputs);
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
