// Models of tables, from the recipe to what evaluation finds: known accuracies and errors.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "core/data/generated/regression.h"
#include "core/data/generated/tabular.h"
#include "core/samples/random.h"
#include "core/samples/recipe_data.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "support/table_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::ScratchFolder;
using TablesTest = DeviceTest;

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

// Two overlapping classes, one nineteen times as frequent: plain training ignores the other.
TEST_F(TablesTest, BalancedClassesCountAlike) {
  const ScratchFolder folder;
  std::string csv = "x,kind\n";
  SampleRandom random(1, 0);
  for (int i = 0; i < 4000; ++i) {
    const bool rare = i % 20 == 0;
    csv += str(random.uniform(0, 1) + (rare ? 0.5 : 0.0), ",", rare ? "rare" : "common", "\n");
  }
  write_file_atomically(folder / "t.csv", std::string_view(csv));
  const auto recipe = [](const std::string& sampling, const std::string& loss) {
    return parse_recipe(
        "[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"kind\"\nsampling = \"" + sampling +
            "\"\n[model]\nlayers = [{type = \"linear\", out = 2}]\n[optim]\nlr = 0.05\n[train]\n" +
            "epochs = 5\nbatch = 64\n[loss]\n" + loss,
        "r.toml");
  };
  // In favour of class 1, "rare". Those of a run's last model, for the best has the accuracy of
  // calling all common.
  const auto bias = [&](const Recipe& recipe) {
    TableRun run(recipe, folder.path());
    run.trainer->run();
    const Snapshot model = take_snapshot(*run.model.graph);
    const Evaluation found = Evaluator(run.model, *run.test).run();
    EXPECT_EQ(run.recipe.data.classes, (std::vector<std::string>{"common", "rare"}));
    EXPECT_EQ(found.count, 800) << "samples, whatever they weigh";
    EXPECT_LE(found.accuracy, 1);
    EXPECT_LE(run.trainer->epochs()[0].train.accuracy, 1);
    EXPECT_EQ(run.trainer->epochs()[0].train.count, 2880);
    const auto values = reinterpret_cast<const float*>(model[1].bytes.data());
    return values[1] - values[0];
  };
  const float plain = bias(recipe("shuffled", ""));
  // Both change the odds by 19 to 1: log 19 = 2.9.
  EXPECT_NEAR(bias(recipe("balanced", "")) - plain, 2.9, 0.9);
  EXPECT_NEAR(bias(recipe("shuffled", "class_weights = \"balanced\"")) - plain, 2.9, 0.9);
  expect_error([&] { bias(recipe("shuffled", "class_weights = [1, 2, 3]")); },
               {"[loss]", "class_weights"});
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

// ---- numbers to predict

Recipe regression(const std::string& data = "", const std::string& train = "") {
  return parse_recipe(
      "[data]\nname = \"regression\"\ntrain_count = 6000\ntest_count = 2000\n" + data +
          "[model]\nlayers = [{type = \"linear\", out = 48}, {type = \"gelu\"}, {type = "
          "\"linear\", out = 1}]\n[loss]\ntype = \"mse\"\n[optim]\nlr = 0.01\n[train]\nepochs = "
          "6\nbatch = 64\n" +
          train,
      "regression.toml");
}

// The noise allows an R squared of 0.96 and a mean absolute error of 0.80
// (core/data/generated/regression.h).
TEST_F(TablesTest, APerceptronLearnsASmoothFunction) {
  for (const char* precision : {"float32", "bfloat16"}) {
    TableRun run(regression("", str("precision = \"", precision, "\"\n")));
    const Evaluation found = run.run();
    EXPECT_EQ(found.count, 2000);
    ASSERT_EQ(found.r_squared.size(), 1u);
    EXPECT_GT(found.r_squared[0], 0.93) << precision;
    EXPECT_LT(found.r_squared[0], 0.97);
    EXPECT_GT(found.mean_absolute_errors[0], 0.75);
    EXPECT_LT(found.mean_absolute_errors[0], 1.05);
    EXPECT_EQ(found.accuracy, 0);
    EXPECT_EQ(run.trainer->epochs()[0].train.count, 5400) << "samples, not numbers";
  }
}

TEST_F(TablesTest, ErrorsAreInTheUnitsOfTheData) {
  TableRun run(regression());
  run.run();
  // One batch, whose predictions can be read afterwards.
  RecipeData data = load_recipe_data(run.recipe.data);
  std::vector<std::int64_t> first(64);
  std::iota(first.begin(), first.end(), 0);
  const auto few = std::make_shared<Dataset>(select(data.test, first));
  Loader loader(run.context, few, {.batch = 64, .shuffle = false});
  const Evaluation found = Evaluator(run.model, loader, run.statistics.target).run();
  std::vector<float> predictions(64);
  copy_to_host(run.context.stream(), predictions.data(),
               run.model.graph->tensor(run.model.prediction).data(), 64 * sizeof(float));
  run.context.stream().synchronize();
  // Against the set as it was before it was normalised.
  const Datasets raw = make_regression(1, 64, run.recipe.data.seed);
  const double mean = run.statistics.target.mean[0], unit = run.statistics.target.deviation[0];
  double absolute = 0, squared = 0, sum = 0, distance = 0;
  for (std::size_t i = 0; i < 64; ++i) {
    const double error = predictions[i] * unit + mean - raw.test.targets[i];
    absolute += std::abs(error) / 64;
    squared += error * error;
    sum += raw.test.targets[i] / 64.0;
  }
  for (const float target : raw.test.targets) distance += (target - sum) * (target - sum);
  EXPECT_NEAR(found.mean_absolute_errors[0], absolute, 1e-5);
  EXPECT_NEAR(found.r_squared[0], 1 - squared / distance, 1e-5);
  EXPECT_NEAR(found.loss, squared / 64 / (unit * unit), 1e-6);
  expect_error([&] { Evaluator(run.model, loader, {{0, 0}, {1, 1}}); }, {"1 targets", "2"});
}

// 0 and 1 of a table, predicted as logits: nothing is normalised, and no error is measured.
TEST_F(TablesTest, ProbabilitiesAreNotMeasuredAsNumbers) {
  const ScratchFolder folder;
  std::string csv = "a,b,y\n";
  SampleRandom random(1, 0);
  for (int i = 0; i < 1000; ++i) {
    const double a = random.uniform(), b = random.uniform();
    csv += str(a, ",", b, ",", a + b > 1 ? 1 : 0, "\n");
  }
  write_file_atomically(folder / "t.csv", std::string_view(csv));
  TableRun run(
      parse_recipe("[data]\nname = \"csv\"\ntrain = \"t.csv\"\ntarget = \"y\"\n[model]\nlayers "
                   "= [{type = \"linear\", out = 1}]\n[loss]\ntype = "
                   "\"bce_with_logits\"\n[optim]\nlr = 0.1\n[train]\nepochs = 5\nbatch = 32\n",
                   "r.toml"),
      folder.path());
  EXPECT_TRUE(run.statistics.target.mean.empty());
  const Evaluation found = run.run();
  EXPECT_TRUE(found.r_squared.empty());
  EXPECT_TRUE(found.mean_absolute_errors.empty());
  EXPECT_GT(found.accuracy, 0.95);
  EXPECT_LE(found.accuracy, 1);
}

TEST_F(TablesTest, WithoutClassesTheSmallestLossIsTheBest) {
  // A rate at which it goes up and down.
  Recipe recipe = regression();
  recipe.optim.lr = 0.1;
  TableRun run(recipe);
  run.trainer->run();
  double best = std::numeric_limits<double>::infinity();
  std::int64_t best_epoch = 0;
  for (const EpochReport& epoch : run.trainer->epochs()) {
    EXPECT_EQ(epoch.best, epoch.validation->loss < best) << epoch.epoch;
    if (!epoch.best) continue;
    best = epoch.validation->loss;
    best_epoch = epoch.epoch;
  }
  EXPECT_EQ(run.trainer->best_epoch(), best_epoch);
  restore_snapshot(*run.model.graph, run.trainer->best());
  EXPECT_EQ(run.evaluator->run().loss, best);
}

TEST_F(TablesTest, ModelsAndLossesMustFitTheTarget) {
  Context context;
  const auto refused = [&](Recipe recipe, std::initializer_list<std::string> parts) {
    expect_error([&] { build_model(context, recipe, model_options(data_outline(recipe.data))); },
                 parts);
  };
  Recipe recipe = regression();
  recipe.layers.pop_back();
  refused(recipe, {"layer 1 (gelu)", "float32 [64, 48]", "float32 [64, 1]", "the 1 numbers"});
  recipe = tabular(kPerceptron);
  recipe.losses[0] = {.type = "mse", .options = Options("[loss]")};
  refused(recipe, {"[loss]: mse"});
  recipe = regression();
  recipe.losses[0].options.set("reduction", std::string("none"));
  refused(recipe, {"[loss]", "makes no totals"});
}

// ---- the input itself

TEST_F(TablesTest, AnAutoencoderMakesItsInputAgain) {
  // By layers that end flat and by one that keeps the shape of a table.
  const Recipe digits = parse_recipe(R"([data]
name = "digits"
target = "input"
train_count = 1000
test_count = 200
[model]
layers = [{type = "flatten"}, {type = "linear", out = 16}, {type = "linear", out = 784}]
[loss]
type = "mse"
[optim]
lr = 0.003
[train]
epochs = 4
batch = 32
)",
                                     "a.toml");
  TableRun run(digits);
  EXPECT_FALSE(run.model.target.has_value());
  const double before = Evaluator(run.model, *run.test).run().loss;
  const Evaluation found = run.run();
  EXPECT_LT(found.loss, 0.75 * before);
  EXPECT_EQ(found.count, 200);
  EXPECT_TRUE(found.r_squared.empty());

  Recipe table = tabular("{type = \"linear\", out = 6}, {type = \"linear\", out = 16}",
                         "target = \"input\"\n");
  table.losses[0] = {.type = "mse", .options = Options("[loss]")};
  // Sixteen mixtures of six numbers, and a little noise: six numbers tell nearly all.
  EXPECT_LT(TableRun(table).run().loss, 0.1);
}

TEST_F(TablesTest, StreamingGivesTheSameModel) {
  Recipe recipe = regression();
  recipe.data.train_count = 700;
  expect_streams_alike(recipe, 64, 30);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
