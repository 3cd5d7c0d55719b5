// A small run for tests of the loader and the trainer: drawn digits, a narrow perceptron.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/data/generated/digits.h"
#include "core/data/loader/loader.h"
#include "core/train/loop/trainer.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline std::shared_ptr<const Dataset> small_digits(std::int64_t count, std::uint64_t first = 0) {
  auto data = std::make_shared<Dataset>(
      draw_digits({.count = count, .seed = 3, .first = first, .threads = 1}));
  data->name = "digits";
  return data;
}

inline Recipe small_recipe(const std::string& rest = "") {
  return parse_recipe(R"([model]
layers = [
  {type = "flatten"},
  {type = "linear", out = 24},
  {type = "relu"},
  {type = "dropout", p = 0.1},
  {type = "linear", out = 10},
]
[train]
batch = 32
epochs = 3
)" + rest,
                      "small.toml");
}

/// Model, optimizer, loaders and trainer of one run over `count` samples.
struct SmallRun {
  Context context;
  Model model;
  std::unique_ptr<Optimizer> optimizer;
  Loader loader, validation_loader;
  Evaluator evaluator;
  Trainer trainer;

  explicit SmallRun(const Recipe& recipe, std::int64_t count = 200, TrainerOptions options = {},
                    const LoaderOptions& loading = {})
      : SmallRun(recipe, small_digits(count), small_digits(70, 1000), std::move(options), loading) {
  }
  /// Over samples of the caller's own.
  SmallRun(const Recipe& recipe, const std::shared_ptr<const Dataset>& train,
           const std::shared_ptr<const Dataset>& validation, TrainerOptions options = {},
           const LoaderOptions& loading = {})
      : context({.seed = recipe.train.seed}),
        model(build_model(context, recipe, model_options(*train))),
        optimizer(
            build_optimizer(context, recipe, *model.graph, total_updates(recipe, train->count))),
        loader(context, train, with(recipe, loading, true)),
        validation_loader(context, validation, with(recipe, loading, false)),
        evaluator(model, validation_loader),
        trainer(model, *optimizer, loader, &evaluator,
                with(recipe, train->count, std::move(options))) {}

  static LoaderOptions with(const Recipe& recipe, LoaderOptions options, bool shuffle) {
    options.batch = recipe.train.batch;
    options.seed = recipe.train.seed;
    options.shuffle = shuffle;
    return options;
  }
  static TrainerOptions with(const Recipe& recipe, std::int64_t count, TrainerOptions options) {
    if (options.steps == 0) options.steps = total_updates(recipe, count);
    options.accumulate = recipe.optim.accumulate;
    return options;
  }
};

inline bool same_bits(const Snapshot& a, const Snapshot& b) {
  return std::ranges::equal(a, b, [](const SavedTensor& x, const SavedTensor& y) {
    return x.name == y.name && x.type == y.type && x.bytes == y.bytes;
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
