// Models of tables, from the recipe to what evaluation finds: known accuracies and errors.
#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/scratch_folder.h"
#include "core/data/random.h"
#include "core/train/datasets.h"
#include "train/training.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::ScratchFolder;
using TablesTest = DeviceTest;

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

Recipe tabular(const std::string& layers, const std::string& data = "") {
  return parse_recipe("[data]\nname = \"tabular\"\ntrain_count = 6000\ntest_count = 2000\n" + data +
                          "[model]\nlayers = [" + layers +
                          "]\n[optim]\nlr = 0.01\n[train]\nepochs = 4\nbatch = 64\n",
                      "tabular.toml");
}

const std::string kPerceptron =
    "{type = \"linear\", out = 64}, {type = \"relu\"}, {type = \"linear\", out = 4}";

TEST_F(TablesTest, APerceptronLearnsWhatALinearModelCannot) {
  TableRun deep(tabular(kPerceptron));
  const Evaluation found = deep.run();
  EXPECT_EQ(found.count, 2000);
  EXPECT_GT(found.accuracy, 0.9);
  EXPECT_LT(TableRun(tabular("{type = \"linear\", out = 4}")).run().accuracy, 0.6);
}

TEST_F(TablesTest, BalancedSamplingTrainsOnEveryClassAlike) {
  const ScratchFolder folder;
  // Two overlapping classes, one nineteen times as frequent: plain training ignores the other.
  std::string csv = "x,kind\n";
  SampleRandom random(1, 0);
  for (int i = 0; i < 4000; ++i) {
    const bool rare = i % 20 == 0;
    csv += str(random.uniform(0, 1) + (rare ? 0.5 : 0.0), ",", rare ? "rare" : "common", "\n");
  }
  write_file_atomically(folder / "t.csv", std::string_view(csv));
  const auto recipe = [](const std::string& sampling) {
    return parse_recipe(
        "[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"kind\"\nsampling = \"" + sampling +
            "\"\n[model]\nlayers = [{type = \"linear\", out = 2}]\n[optim]\nlr = "
            "0.05\n[train]\nepochs = 5\nbatch = 64\n",
        "r.toml");
  };
  TableRun plain(recipe("shuffled"), folder.path()), balanced(recipe("balanced"), folder.path());
  plain.run();
  balanced.run();
  const auto bias = [](TableRun& run) {  // in favour of class 1, "rare"
    const Snapshot model = run.trainer->best();
    const auto values = reinterpret_cast<const float*>(model[1].bytes.data());
    return values[1] - values[0];
  };
  EXPECT_EQ(plain.recipe.data.classes, (std::vector<std::string>{"common", "rare"}));
  // The odds that sampling changes are 19 to 1: log 19 = 2.9.
  EXPECT_NEAR(bias(balanced) - bias(plain), 2.9, 1.2);
}

TEST_F(TablesTest, TheModelFileHoldsWhatItsDataWereNormalisedBy) {
  const ScratchFolder folder;
  TableRun run(tabular(kPerceptron));
  const Evaluation found = run.run();
  const auto path = folder / "m.safetensors";
  save_model(path, run.trainer->best(), {{"epoch", "1"}}, run.statistics);
  const DataStatistics statistics = load_statistics(path);
  EXPECT_EQ(statistics, run.statistics);
  EXPECT_EQ(statistics.input.mean.size(), 16u);

  // From the file and the resolved recipe alone, as `adjoint eval` does it.
  Context context;
  const Recipe recipe = parse_recipe(to_toml(run.recipe), "resolved");
  const auto test = std::make_shared<Dataset>(load_test_data(recipe.data, {}, statistics));
  Model model = build_model(context, recipe, model_options(*test));
  load_model(path, *model.graph);
  Loader loader(context, test, {.batch = recipe.train.batch, .shuffle = false});
  const Evaluation again = Evaluator(model, loader).run();
  EXPECT_EQ(again.accuracy, found.accuracy);
  EXPECT_EQ(again.loss, found.loss);

  // A file without: what was trained on data that were left alone.
  save_model(path, run.trainer->best());
  EXPECT_EQ(load_statistics(path), DataStatistics());
}

TEST_F(TablesTest, StreamingGivesTheSameModel) {
  Snapshot models[2];
  for (const bool stream : {false, true}) {
    Recipe recipe = tabular(kPerceptron);
    recipe.data.train_count = 700;
    Context context({.seed = 1});
    RecipeData data = load_recipe_data(recipe.data);
    Model model = build_model(context, recipe, model_options(data.train));
    LoaderOptions options{.batch = 64, .seed = 1};
    if (stream) options.resident_bytes = 0;
    Loader loader(context, std::make_shared<Dataset>(data.train), options);
    auto optimizer = build_optimizer(context, recipe, *model.graph, 30);
    Trainer(model, *optimizer, loader, nullptr, {.steps = 30}).run();
    models[stream] = take_snapshot(*model.graph);
  }
  EXPECT_TRUE(same_bits(models[0], models[1]));
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
