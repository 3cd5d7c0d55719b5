#include "core/train/recipe/record.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/graph/registry.h"
#include "core/train/recipe/layer_names.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

LayerEntry entry_of(const std::string& type, const Options& options) {
  try {
    return registered_layer(type);
  } catch (const Error& error) {
    ADJOINT_FAIL(place_of(options), ": ", error.message());
  }
}

std::shared_ptr<Layer> make(const std::string& type, const Options& recipe) {
  Options options = recipe;
  std::shared_ptr<Layer> layer = entry_of(type, recipe).make(options);
  options.finish();
  return layer;
}

constexpr int kMostRounds = 10'000;

class Recorder {
 public:
  Recorder(ModelInputs& inputs, RecordedModel& model) : inputs_(inputs), model_(model) {}

  /// Applies the layers to `x`, and returns what the last of them makes.
  Value apply(const std::vector<LayerRecipe>& layers, Value x, const std::string& scope) {
    std::map<std::string, int> numbers;  // of the kinds of a round
    for (const LayerRecipe& layer : layers)
      x = layer.repeat > 0 ? apply_block(layer, x) : apply_layer(layer, x, scope, numbers);
    return x;
  }

 private:
  Value named(const std::string& name) {
    const auto made = values_.find(name);
    return made != values_.end() ? made->second : inputs_(name);
  }

  std::vector<Value> inputs_of(const LayerRecipe& layer, const Value& previous) {
    if (layer.inputs.empty()) return {previous};
    std::vector<Value> inputs;
    for (const std::string& name : layer.inputs) inputs.push_back(named(name));
    return inputs;
  }

  Value apply_block(const LayerRecipe& block, const Value& previous) {
    const auto outside = values_;  // names in a block are its own
    Value x = inputs_of(block, previous)[0];
    for (std::int64_t round = 0; round < block.repeat; ++round) {
      ADJOINT_CHECK(rounds_ < kMostRounds, place_of(block.options), ": more than ", kMostRounds,
                    " rounds of blocks; expected a smaller repeat");
      values_ = outside;
      values_[kBlockInput] = x;
      x = apply(block.layers, x, str("block", ++rounds_, "."));
    }
    values_ = outside;
    if (!block.outputs.empty()) keep(block.outputs[0], x);
    return x;
  }

  // Outside of blocks the graph numbers the kinds.
  static std::string node_name(const LayerRecipe& layer, const std::string& scope,
                               std::map<std::string, int>& numbers) {
    if (layer.outputs.size() == 1) return scope + layer.outputs[0];
    return scope.empty() ? "" : str(scope, layer.type, ++numbers[layer.type]);
  }

  Value apply_layer(const LayerRecipe& recipe, const Value& previous, const std::string& scope,
                    std::map<std::string, int>& numbers) {
    const std::string place = place_of(recipe.options);
    const std::vector<Value> inputs = inputs_of(recipe, previous);
    const Arity arity = entry_of(recipe.type, recipe.options).arity;
    ADJOINT_CHECK(arity.takes(inputs.size()), place, ": ", recipe.type, " takes ",
                  arity.inputs_text(), arity.inputs_text() == "1" ? " input" : " inputs", ", got ",
                  inputs.size(),
                  "; name them, input = [\"a\", \"b\"]: arrays of the data, or what ",
                  "layers before call output = \"a\"");
    const std::shared_ptr<Layer> layer = make_layer(recipe);
    std::vector<Value> outputs;
    try {
      outputs = inputs_.graph().apply(layer, inputs, node_name(recipe, scope, numbers));
    } catch (const Error& error) {
      ADJOINT_FAIL(place, ": ", error.message());
    }
    ADJOINT_CHECK(
        recipe.outputs.size() == outputs.size() || (recipe.outputs.empty() && outputs.size() == 1),
        place, ": ", recipe.type, " makes ", outputs.size(), " values, and ",
        recipe.outputs.empty() ? std::string("none") : str(recipe.outputs.size()),
        " are named; expected output = [\"a\", \"b\"] with a name for each");
    Signature types;
    for (const Value& input : inputs) types.push_back(input.type());
    model_.layers.push_back({recipe.options.owner(), layer, types});
    for (std::size_t i = 0; i < recipe.outputs.size(); ++i) keep(recipe.outputs[i], outputs[i]);
    return outputs[0];
  }

  // Losses see the values outside of blocks alone.
  void keep(const std::string& name, const Value& value) {
    values_[name] = value;
    if (!values_.contains(kBlockInput)) model_.values.emplace_back(name, value);
  }

  ModelInputs& inputs_;
  RecordedModel& model_;
  std::map<std::string, Value> values_;
  int rounds_ = 0;
};

RecordedModel record_kind(ModelInputs& inputs, const Recipe& recipe) {
  Options options = recipe.model_options;
  RecordedModel model;
  try {
    model.values = model_kind(recipe.model_type).record(inputs, options);
  } catch (const Error& error) {
    ADJOINT_FAIL(place_of(options), ": ", error.message());
  }
  options.finish();
  ADJOINT_CHECK(!model.values.empty(), place_of(options), ": model type '", recipe.model_type,
                "' makes no values; expected one for each loss");
  model.last = model.values.back().second;
  return model;
}

}  // namespace

RecordedModel record_model(ModelInputs& inputs, const Recipe& recipe) {
  if (!recipe.model_type.empty()) return record_kind(inputs, recipe);
  RecordedModel model;
  const std::vector<LayerRecipe> layers = needed_layers(recipe, inputs.names(), model.notices);
  // Taken only where a layer takes it: the first without a name.
  Value x;
  if (layers.empty() || layers[0].inputs.empty()) x = inputs(kInputName);
  model.last = Recorder(inputs, model).apply(layers, x, "");
  return model;
}

std::shared_ptr<Layer> make_layer(const LayerRecipe& recipe) {
  return make(recipe.type, recipe.options);
}

std::shared_ptr<Layer> make_layer(const LossRecipe& recipe) {
  return make(recipe.type, recipe.options);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
