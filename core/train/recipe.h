// A recipe: everything a training run is made of, in TOML (tools/recipes/). Reading is strict: a
// key nobody knows is an error that names the nearest one that is known, with file and line. What a
// run really used is written back as a resolved recipe, every default filled in, which reads to the
// same.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/options.h"
#include "core/tensor/dtype.h"

namespace adjoint {

struct DataRecipe {
  /// "digits" (drawn, no files) or "mnist" (four IDX files).
  std::string name = "digits";
  /// Where the files of mnist lie; empty: named by the program.
  std::string folder = {};
  /// Samples, the first ones of a file; 0: all of mnist. digits has no end and defaults to 30,000
  /// and 10,000.
  std::int64_t train_count = 0;
  std::int64_t test_count = 0;
  /// Of the drawn digits and of the choice of validation samples.
  std::uint64_t seed = 1;
  /// Part of the training samples set aside, in [0, 1).
  double validation = 0.1;
  /// Pixels in [0, 1] become (pixel - mean) / deviation. Measured on the training samples unless
  /// given; a resolved recipe gives them, so that evaluation sees what training saw.
  std::optional<double> mean = {};
  std::optional<double> deviation = {};
};

struct LayerRecipe {
  /// As the registry of layers knows it: "linear".
  std::string type;
  /// The rest of the table. The layer asks for what it knows, then finish() reports what is left.
  Options options;
};

struct LossRecipe {
  std::string type = "softmax_cross_entropy";
  /// In [0, 1).
  double label_smoothing = 0;
  /// Samples with this label do not count.
  std::optional<std::int32_t> ignored_label = {};
};

struct OptimizerRecipe {
  /// "adamw" or "sgd".
  std::string type = "adamw";
  double lr = 1e-3;
  /// adamw only: decay of the first and second moment, each in [0, 1).
  std::array<double, 2> betas = {0.9, 0.999};
  double epsilon = 1e-8;
  /// sgd only.
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0.01;
  /// Largest norm of all gradients together; 0: not clipped.
  double clip_norm = 0;
  /// Batches whose gradients are added before one update.
  std::int64_t accumulate = 1;
};

struct ScheduleRecipe {
  /// "constant" or "cosine", after `warmup_steps` of linear increase.
  std::string type = "constant";
  std::int64_t warmup_steps = 0;
  /// cosine only: where it ends.
  double final_lr = 0;
};

struct TrainRecipe {
  /// Exactly one of the two is set.
  std::optional<std::int64_t> epochs = {};
  std::optional<std::int64_t> steps = {};
  std::int64_t batch = 128;
  std::uint64_t seed = 1;
  DType precision = DType::float32;
  /// Only "none" so far.
  std::string augmentation = "none";
};

struct Recipe {
  /// For messages and for the name of the run: "mnist_mlp.toml".
  std::string name = {};
  DataRecipe data = {};
  std::vector<LayerRecipe> layers = {};
  LossRecipe loss = {};
  OptimizerRecipe optim = {};
  ScheduleRecipe schedule = {};
  TrainRecipe train = {};
};

/// Reads a recipe and applies `overrides`, each "table.key=value" as after --set: "optim.lr=1e-3",
/// "data.name=mnist" (text needs no quotes), "model.layers.1.out=256" (layers count from 0).
/// Overriding train.steps removes train.epochs and the other way. Throws Error, naming file and
/// line or override, for what is not TOML, unknown tables and keys, wrong types and values out of
/// range. Types and options of layers are left to the registry of layers.
Recipe read_recipe(const std::filesystem::path& path, std::span<const std::string> overrides = {});
/// The same from text; `name` stands in messages.
Recipe parse_recipe(std::string_view text, const std::string& name,
                    std::span<const std::string> overrides = {});

/// The recipe as TOML with every default filled in; parse_recipe reads it to the same recipe.
std::string to_toml(const Recipe& recipe);

}  // namespace adjoint
