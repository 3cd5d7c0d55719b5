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
#include "core/tensor/dtype.h"
#include "core/tensor/predicted.h"
#include "core/train/recipe/recipe_optim.h"

namespace adjoint {

/// What is to be predicted of a sample: its class, numbers, or the sample itself.
enum class Task : std::uint8_t { classification, regression, reconstruction };

struct DataRecipe {
  /// "digits" (drawn images), "tabular", "regression" (generated tables), all without files;
  /// "mnist" (four IDX files), "csv", "npy".
  std::string name = "digits";
  /// Where files lie; empty: named by the program, or where it was started.
  std::string folder = {};
  /// Samples, the first ones of a file; 0: all of mnist. What is drawn has no end and defaults to
  /// 30,000 and 10,000.
  std::int64_t train_count = 0;
  std::int64_t test_count = 0;
  /// Of what is drawn and of the choice of validation and test samples.
  std::uint64_t seed = 1;
  /// Part of the training samples set aside, in [0, 1).
  double validation = 0.1;
  /// Pixels in [0, 1], and numbers of npy files as they are, become (value - mean) / deviation. Of
  /// pixels measured on the training samples unless given; a resolved recipe gives them, so that
  /// evaluation sees what training saw.
  std::optional<double> mean = {};
  std::optional<double> deviation = {};

  /// What the recipe says elsewhere of the data's classes, no keys of [data]: the loss's
  /// ignored_label, where it is given, and how many numbers the model's last layer makes.
  std::optional<std::int32_t> ignored_label = {};
  std::optional<std::int32_t> model_classes = {};

  /// target = "input" makes it reconstruction. Otherwise csv and npy say it, or leave it to the
  /// loss: a cross-entropy is for classes.
  Task task = Task::classification;
  /// Classes are drawn equally often, with replacement, instead of each sample once an epoch.
  bool balanced_sampling = false;

  // Tables: csv, npy and generated ones.

  /// Features and targets are given to the model with mean 0 and deviation 1, as measured on the
  /// training part, column by column unless `mean` is given. A model file holds by what
  /// (core/train/files/model_file.h). Without, pixels of npy files are left in [0, 1].
  bool normalise = true;
  /// Off by default for losses of probabilities: 0 and 1 mean something as they are.
  bool normalise_target = true;

  // csv and npy: files, in `folder`. For npy each is FILE.npy or FILE.npz:ARRAY.

  std::string train = {};
  /// Empty: `test_part` of the training file is set aside.
  std::string test = {};
  double test_part = 0.2;
  /// npy only.
  std::string train_target = {}, test_target = {};
  /// Rows with missing numbers, or without a label, are left out rather than refused.
  bool drop_missing = false;

  // csv only.

  /// Columns, by name or number from 0: one of labels, or one or more of numbers.
  std::vector<std::string> target = {};
  std::vector<std::string> ignore = {};
  bool header = true;
  char separator = ',';
  /// Of the files' text, as iconv names it.
  std::string encoding = "utf-8";
  /// Labels of samples whose class is not known; they become ignored_label, or -100.
  std::vector<std::string> unknown = {};
  /// Of the columns, in order, where a model has been trained on them: no key, but what its file
  /// says. Empty: those of the training part.
  std::vector<std::string> feature_names = {};
  /// Texts of the classes; a resolved recipe gives them. Where "" is among them, an empty label is
  /// a class and not missing.
  std::vector<std::string> classes = {};

  /// Whether the samples come from csv or npy files.
  bool files() const { return name == "csv" || name == "npy"; }

  bool operator==(const DataRecipe&) const = default;
};

struct LayerRecipe {
  /// As the registry of layers knows it: "linear".
  std::string type;
  /// The rest of the table. The layer asks for what it knows, then finish() reports what is left.
  Options options;
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
  /// A layer of (prediction, target) that makes totals, by the registry of layers.
  LayerRecipe loss = {.type = "softmax_cross_entropy", .options = Options("[loss]")};
  OptimizerRecipe optim = {};
  ScheduleRecipe schedule = {};
  TrainRecipe train = {};
};

/// Reads a recipe and applies `overrides`, each "table.key=value" as after --set: "optim.lr=1e-3",
/// "data.name=mnist" (text needs no quotes), "model.layers.1.out=256" (layers count from 0).
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
