// What a run makes of what it measures, with right answers known by hand: losses that are not
// divided, errors of numbers far from 0, the least loss there is.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "core/base/log.h"
#include "core/tensor/transfer.h"
#include "core/train/judging/least_loss.h"
#include "support/expect_error.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using JudgingTest = DeviceTest;

Recipe bias_recipe(const std::string& loss, const std::string& rest, double lr = 1e-12,
                   const std::string& bias = "constant(0)") {
  return parse_recipe(
      str("[data]\nname = \"regression\"\n[model]\nlayers = [{type = \"linear\", out = 1, "
          "weight_init = \"constant(0)\", bias_init = \"",
          bias, "\"}]\n[loss]\ntype = ", loss, "\n[optim]\ntype = \"sgd\"\nmomentum = 0\nlr = ", lr,
          "\n", rest),
      "bias.toml");
}

/// A model that is a bias alone, and stays where it is under a tiny rate; features are 0.
struct BiasRun {
  BiasRun(const Recipe& recipe, const std::vector<float>& targets)
      : model(build_model(context, recipe, {.sample = {1}, .classes = 0, .outputs = 1})),
        optimizer(build_optimizer(context, recipe, *model.graph, steps(recipe, targets))),
        loader(context, data(targets), {.batch = recipe.train.batch, .shuffle = false}),
        evaluated(context, data(targets), {.batch = recipe.train.batch, .shuffle = false}),
        evaluator(model, evaluated),
        trainer(model, *optimizer, loader, &evaluator,
                {.steps = steps(recipe, targets), .accumulate = recipe.optim.accumulate}) {}

  static std::int64_t steps(const Recipe& recipe, const std::vector<float>& targets) {
    return total_updates(recipe, std::ssize(targets));
  }
  static std::shared_ptr<const Dataset> data(const std::vector<float>& targets) {
    return std::make_shared<Dataset>(Dataset{.name = "numbers",
                                             .count = std::ssize(targets),
                                             .type = DType::float32,
                                             .sample = {1},
                                             .features = std::vector<float>(targets.size()),
                                             .outputs = 1,
                                             .targets = targets});
  }
  float bias() {
    for (const Parameter& parameter : model.graph->parameters())
      if (parameter.name().ends_with("bias"))
        return download<float>(context, parameter.master())[0];
    return std::numeric_limits<float>::quiet_NaN();
  }

  Context context;
  Model model;
  std::unique_ptr<Optimizer> optimizer;
  Loader loader, evaluated;
  Evaluator evaluator;
  Trainer trainer;
};

std::string batches(int batch, int accumulate = 1) {
  return str("accumulate = ", accumulate, "\n[train]\nepochs = 1\nbatch = ", batch, "\n");
}

std::vector<float> one_to_ten() {
  std::vector<float> targets(10);
  std::iota(targets.begin(), targets.end(), 1.0f);
  return targets;
}

TEST_F(JudgingTest, ASumIsReportedAsTheMeanWhateverTheBatch) {
  for (const char* loss : {"\"mse\"\nreduction = \"sum\"", "\"mse\""})
    for (const int batch : {1, 3, 4, 10}) {
      SCOPED_TRACE(str(loss, ", batches of ", batch));
      BiasRun run(bias_recipe(loss, batches(batch)), one_to_ten());
      run.trainer.run();
      const EpochReport& epoch = run.trainer.epochs().back();
      EXPECT_NEAR(epoch.train.loss, 38.5, 1e-5);
      EXPECT_NEAR(epoch.validation->loss, 38.5, 1e-5);
    }
}

TEST_F(JudgingTest, LogitsOfASumAreRightAsOftenAsTheyAre) {
  for (const int batch : {1, 3, 4, 10}) {
    SCOPED_TRACE(batch);
    BiasRun run(bias_recipe("\"bce_with_logits\"\nreduction = \"sum\"", batches(batch)),
                {0, 0, 1, 0, 1, 0, 0, 1, 1, 0});
    run.trainer.run();
    const EpochReport& epoch = run.trainer.epochs().back();
    EXPECT_NEAR(epoch.train.accuracy, 0.6, 1e-12);
    EXPECT_NEAR(epoch.validation->accuracy, 0.6, 1e-12);
    EXPECT_NEAR(epoch.validation->loss, std::numbers::ln2, 1e-6);
  }
}

// Gradients of -1.1 a sample, 22 in all: an update of 0.22.
TEST_F(JudgingTest, BatchesOfOneUpdateAddUpUndivided) {
  const std::vector<float> targets(20, 0.55f);
  const std::string sum = "\"mse\"\nreduction = \"sum\"";
  for (const auto& [batch, accumulate] : {std::pair{20, 1}, {4, 5}, {1, 20}, {6, 4}}) {
    SCOPED_TRACE(str(accumulate, " of ", batch));
    BiasRun run(bias_recipe(sum, batches(batch, accumulate), 0.01), targets);
    run.trainer.run();
    EXPECT_NEAR(run.bias(), 0.22, 1e-6);
  }
}

// Weighted and ignored labels: under either reduction the mean is over what PyTorch's mean divides
// by.
TEST_F(JudgingTest, AMeanOfClassesIsOneUnderEitherReduction) {
  const auto loss_of = [](const std::string& options) {
    SmallRun run(small_recipe(str("[optim]\nlr = 1e-12\n[loss]\ntype = \"softmax_cross_entropy\"\n",
                                  "ignored_label = 3\n",
                                  "class_weights = [2, 1, 3, 5, 1, 1, 0.5, 1, 0, 1]\n", options)));
    return run.evaluator.run().loss;
  };
  EXPECT_NEAR(loss_of("reduction = \"sum\"\n"), loss_of(""), 1e-6);
}

// ---- errors of numbers

TEST_F(JudgingTest, ErrorsOfNumbersFarFromZeroKeepTheirDigits) {
  std::vector<float> targets(4000);
  for (std::size_t i = 0; i < targets.size(); ++i) targets[i] = i % 2 == 0 ? 100000008 : 99999992;
  for (const int batch : {7, 128, 4000}) {
    SCOPED_TRACE(batch);
    BiasRun run(bias_recipe("\"mse\"", batches(batch), 1e-12, "constant(100000000)"), targets);
    const Evaluation found = run.evaluator.run();
    EXPECT_NEAR(found.r_squared.at(0), 0, 1e-9);
    EXPECT_NEAR(found.mean_absolute_errors.at(0), 8, 1e-9);
    EXPECT_NEAR(found.root_mean_squared_errors.at(0), 8, 1e-9);
  }
}

TEST_F(JudgingTest, TargetsThatDoNotVaryHaveNoR2) {
  const std::vector<float> targets(100, 0.1f);
  BiasRun run(bias_recipe("\"mse\"", batches(7)), targets);
  const Evaluation found = run.evaluator.run();
  EXPECT_TRUE(std::isnan(found.r_squared.at(0))) << found.r_squared[0];
  EXPECT_NEAR(found.root_mean_squared_errors.at(0), 0.1, 1e-7);
}

// ---- targets that a loss is not defined for, in data made by the caller

TEST_F(JudgingTest, ALoaderWithTargetsTheLossDoesNotTakeIsRefused) {
  for (const std::size_t resident : {std::size_t{0}, std::size_t{1} << 20}) {
    const Recipe recipe = bias_recipe("\"bce_with_logits\"", batches(2));
    Context context;
    Model model = build_model(context, recipe, {.sample = {1}, .classes = 0, .outputs = 1});
    Loader loader(context, BiasRun::data({0, 1, 255, 0}),
                  {.batch = 2, .shuffle = false, .resident_bytes = resident});
    expect_error([&] { Evaluator(model, loader).run(); },
                 {"numbers: sample 2", "255", "bce_with_logits", "from 0 to 1"});
    const auto optimizer = build_optimizer(context, recipe, *model.graph, 2);
    expect_error([&] { Trainer(model, *optimizer, loader, nullptr, {.steps = 2}); },
                 {"numbers: sample 2", "255"});
  }
}

// A last layer that cannot make the targets; told once, of those that can nothing.
TEST_F(JudgingTest, TargetsThatTheLastLayerCannotReachAreToldOf) {
  const auto told = [](const std::string& last, const std::vector<float>& targets) {
    const Recipe recipe = parse_recipe(
        "[data]\nname = \"regression\"\n[model]\nlayers = [{type = \"linear\", out = 1}" + last +
            "]\n[loss]\ntype = \"mse\"\n[train]\nbatch = 2\n",
        "r.toml");
    std::vector<std::string> logged;
    log_to_function(LogLevel::warning,
                    [&](LogLevel, std::string_view text) { logged.emplace_back(text); });
    BiasRun run(recipe, targets);
    stop_logging();
    return logged;
  };
  const std::vector<std::string> found = told(", {type = \"sigmoid\"}", {0, 0.5f, -1.5f, 2});
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].find("the last layer makes numbers from 0 to 1, but numbers has targets from "
                          "-1.5 to 2; end with a linear layer"),
            0u)
      << found[0];
  EXPECT_EQ(told(", {type = \"relu\"}", {0, -1}).size(), 1u);
  EXPECT_TRUE(told(", {type = \"relu\"}", {0, 7}).empty());
  EXPECT_TRUE(told(", {type = \"sigmoid\"}", {0, 1}).empty());
  EXPECT_TRUE(told("", {-100, 100}).empty());
}

// ---- the least loss

TEST_F(JudgingTest, KnowsTheLeastLossThereIs) {
  Context context;
  const auto least = [&](const std::string& loss, const std::vector<float>& targets,
                         std::int64_t row) {
    return least_loss(context, bias_recipe(loss, batches(2)), targets, 2, row);
  };
  EXPECT_EQ(least("\"mse\"", {3, -4, 1e6f, 0}, 2), 0);
  EXPECT_EQ(least("\"huber\"\nreduction = \"sum\"", {3, -4}, 1), 0);
  EXPECT_NEAR(least("\"bce_with_logits\"", {0, 1}, 1), 0, 1e-9);
  EXPECT_NEAR(least("\"bce_with_logits\"", {0.5f, 1}, 1), std::numbers::ln2 / 2, 1e-6);
  // min_p -(3/4 * 2 log p + 1/4 log(1 - p)) is at p = 6/7.
  EXPECT_NEAR(least("\"bce_with_logits\"\npos_weight = 2", {0.75f, 0.75f}, 1),
              -(1.5 * std::log(6.0 / 7) + 0.25 * std::log(1.0 / 7)), 1e-6);
  EXPECT_NEAR(least("\"kl_divergence\"", {0.25f, 0.75f, 1, 0}, 2), 0, 1e-6);
  EXPECT_NEAR(least("\"softmax_cross_entropy\"", {0.25f, 0.75f, 1, 0}, 2),
              -(0.25 * std::log(0.25) + 0.75 * std::log(0.75)) / 2, 1e-6);
  EXPECT_NEAR(least("\"softmax_cross_entropy\"\nlabel_smoothing = 0.2", {0, 1, 1, 0}, 2),
              -(0.1 * std::log(0.1) + 0.9 * std::log(0.9)), 1e-6);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
