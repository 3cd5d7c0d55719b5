// A recipe: everything a training run is made of, in TOML (tools/recipes/). Reading is strict: a
// key nobody knows is an error that names the nearest one that is known, with file and line, and so
// is a key that, beside the others, could have no effect, with the reason. What a run really used
// is written back as a resolved recipe, every default filled in, which reads to the same.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/options.h"
#include "core/samples/data_recipe.h"
#include "core/tensor/dtype.h"
#include "core/tensor/predicted.h"
#include "core/train/recipe/recipe_optim.h"

namespace adjoint {

struct LayerRecipe {
  /// As the registry of layers knows it: "linear".
  std::string type;
  /// The rest of the table. The layer asks for what it knows, then finish() reports what is left.
  Options options;
  /// Names of the values it takes; empty: what the layer before it makes.
  std::vector<std::string> inputs = {};
  /// Names of what it makes; empty: it is the next layer's alone.
  std::vector<std::string> outputs = {};

  // {repeat = 12, layers = [...]} is a block, without a type: its layers are applied so often, each
  // round to what the round before made. Inside, "block.input" names what the round takes.

  std::int64_t repeat = 0;  ///< 0: a layer
  std::vector<LayerRecipe> layers = {};
};

/// A loss, [loss], or one of several, [[loss]].
struct LossRecipe {
  /// A layer that makes totals, by the registry of layers.
  std::string type;
  /// The layer's.
  Options options;
  /// Of several, for files and messages: "price"; by default the prediction's, or the type.
  std::string name = {};
  /// Names of the values it takes, but for the target; empty: what the last layer makes.
  std::vector<std::string> inputs = {};
  /// What the data call what is to be predicted; empty: "target", the input where that is to be
  /// made again, or none where `inputs` are all that the layer takes.
  std::string target = {};
  /// Of its mean in the sum of several.
  double weight = 1;
  /// Measures of the prediction, by the registry of metrics.
  std::vector<std::string> metrics = {};
};

struct TrainRecipe {
  /// Exactly one of the two is set.
  std::optional<std::int64_t> epochs = {};
  std::optional<std::int64_t> steps = {};
  std::int64_t batch = 128;
  std::uint64_t seed = 1;
  DType precision = DType::float32;

  bool operator==(const TrainRecipe&) const = default;
};

struct Recipe {
  /// For messages and for the name of the run: "mnist_mlp.toml".
  std::string name = {};
  DataRecipe data = {};
  std::vector<LayerRecipe> layers = {};
  /// Instead of layers: a model written in C++, by the registry of models, and its options.
  std::string model_type = {};
  Options model_options = Options("[model]");
  /// One at least; of several, models are compared by the first.
  std::vector<LossRecipe> losses = {
      {.type = "softmax_cross_entropy", .options = Options("[loss]")}};
  OptimizerRecipe optim = {};
  ScheduleOptions schedule = default_schedule_options("constant");
  TrainRecipe train = {};
};

/// Reads a recipe and applies `overrides`, each "table.key=value" as after --set: "optim.lr=1e-3",
/// "data.name=mnist" (text needs no quotes), "model.layers.1.out=256" (layers and losses count from
/// 0).
/// Overriding train.steps removes train.epochs and the other way. Throws Error, naming file and
/// line or override, for what is not TOML, unknown tables and keys, wrong types and values out of
/// range. Types and options of layers and of the loss are left to the registry of layers.
Recipe read_recipe(const std::filesystem::path& path, std::span<const std::string> overrides = {});
/// The same from text; `name` stands in messages.
Recipe parse_recipe(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides = {});

/// What a model predicts under a loss of that type: what LossLayer::predicts() says, by names,
/// because recipes are read without a backend, whose layers could be asked. A loss of a plugin
/// counts as one of numbers, unless its name ends with cross_entropy.
Predicted predicted_by(std::string_view loss_type);

/// The recipe as TOML with every default filled in; parse_recipe reads it to the same recipe.
/// Throws Error for text that is not UTF-8, which TOML cannot hold.
std::string to_toml(const Recipe& recipe);

}  // namespace adjoint
