// A recipe of a table from its data to what evaluation finds.
#pragma once

#include <filesystem>
#include <memory>

#include "core/train/datasets.h"
#include "train/training.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// A recipe carried out on data of its own, as `adjoint train` does it.
struct TableRun {
  explicit TableRun(Recipe recipe_, const std::filesystem::path& folder = {})
      : recipe(std::move(recipe_)), context({.seed = recipe.train.seed}) {
    RecipeData data = load_recipe_data(recipe.data, folder);
    resolve_class_weights(recipe.loss, data.train);
    statistics = data.statistics;
    model = build_model(context, recipe, model_options(data.train));
    LoaderOptions options{
        .batch = recipe.train.batch, .seed = recipe.train.seed, .pixels = pixel_scale(statistics)};
    if (recipe.data.balanced_sampling) options.weights = balanced_sample_weights(data.train);
    const auto load = [&](Dataset& part) {
      return std::make_unique<Loader>(context, std::make_shared<Dataset>(std::move(part)), options);
    };
    train = load(data.train);
    options.shuffle = false;
    options.weights = {};
    validation = load(data.validation);
    test = load(data.test);
    evaluator = std::make_unique<Evaluator>(model, *validation, statistics.target);
    optimizer = build_optimizer(context, recipe, *model.graph, steps());
    trainer = std::make_unique<Trainer>(model, *optimizer, *train, evaluator.get(),
                                        TrainerOptions{.steps = steps()});
  }
  std::int64_t steps() const { return total_updates(recipe, train->count()); }
  /// Trains, and measures the best model on the test part.
  Evaluation run() {
    trainer->run();
    restore_snapshot(*model.graph, trainer->best());
    return Evaluator(model, *test, statistics.target).run();
  }

  Recipe recipe;
  Context context;
  DataStatistics statistics;
  Model model;
  std::unique_ptr<Loader> train, validation, test;
  std::unique_ptr<Evaluator> evaluator;
  std::unique_ptr<Optimizer> optimizer;
  std::unique_ptr<Trainer> trainer;
};

}  // namespace adjoint::inline ADJOINT_BACKEND
