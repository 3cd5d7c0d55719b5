// A recipe of a table from its data to what evaluation finds.
#pragma once

#include <filesystem>
#include <memory>

#include "core/samples/recipe_data.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A recipe carried out on data of its own, as `adjoint train` does it.
struct TableRun {
  explicit TableRun(Recipe recipe_, const std::filesystem::path& folder = {})
      : recipe(std::move(recipe_)), context({.seed = recipe.train.seed}) {
    RecipeData data = load_recipe_data(recipe.data, folder);
    resolve_class_weights(recipe.losses[0].options, data.train);
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

/// Trains a recipe twice, on data that lie on the device and on data that are streamed to it, and
/// expects the same model bit for bit.
inline void expect_streams_alike(const Recipe& recipe, std::int64_t batch, std::int64_t steps,
                                 const std::filesystem::path& folder = {}) {
  Snapshot models[2];
  for (const bool stream : {false, true}) {
    DataRecipe open = recipe.data;  // loading resolves it
    const RecipeData data = load_recipe_data(open, folder);
    Context context({.seed = 1});
    Model model = build_model(context, recipe, model_options(data.train));
    LoaderOptions options{.batch = batch, .seed = 1};
    if (stream) options.resident_bytes = 0;
    Loader loader(context, std::make_shared<Dataset>(data.train), options);
    auto optimizer = build_optimizer(context, recipe, *model.graph, steps);
    Trainer(model, *optimizer, loader, nullptr, {.steps = steps}).run();
    models[stream] = take_snapshot(*model.graph);
  }
  EXPECT_TRUE(same_bits(models[0], models[1]));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
