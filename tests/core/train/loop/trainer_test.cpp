#include "core/train/loop/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using TrainerTest = DeviceTest;

TEST_F(TrainerTest, Learns) {
  SmallRun run(small_recipe("[optim]\nlr = 0.01"), 1000);
  EXPECT_TRUE(run.trainer.run());
  const auto& epochs = run.trainer.epochs();
  ASSERT_EQ(epochs.size(), 3u);
  EXPECT_EQ(epochs[0].step, 32) << "1000 samples in batches of 32, the last of 8";
  EXPECT_EQ(epochs[2].step, 96);
  EXPECT_EQ(epochs[0].train.count, 1000);
  EXPECT_EQ(epochs[0].validation->count, 70);
  EXPECT_TRUE(epochs[2].complete);
  EXPECT_LT(epochs[2].train.loss, 0.7 * epochs[0].train.loss);
  EXPECT_GT(epochs[2].validation->accuracy, 0.5);
}

TEST_F(TrainerTest, EvaluatesAndKeepsTheAverage) {
  SmallRun run(small_recipe("[optim]\nlr = 0.01\nema = 0.9"));
  run.trainer.run();
  const Snapshot last = take_snapshot(*run.model.graph);
  EXPECT_FALSE(same_bits(run.trainer.best(), last));
  const EpochReport& best = run.trainer.epochs().at(std::size_t(run.trainer.best_epoch() - 1));
  restore_snapshot(*run.model.graph, run.trainer.best());
  EXPECT_EQ(run.evaluator.run().loss, best.validation->loss);
  // Between epochs the parameters themselves went on: without an average they come out the same.
  SmallRun plain(small_recipe("[optim]\nlr = 0.01"));
  plain.trainer.run();
  EXPECT_TRUE(same_bits(take_snapshot(*plain.model.graph), last));
}

TEST_F(TrainerTest, TheWeightsComeBackWhereEvaluatingTheAverageFails) {
  const std::string recipe = "[optim]\nlr = 0.01\nema = 0.9";
  SmallRun run(small_recipe(recipe), 200, {.steps = 7});
  auto broken = std::make_shared<Dataset>(*small_digits(70, 1000));
  broken->labels[7] = 10;
  Loader loader(run.context, broken, {.batch = 32});
  Evaluator evaluator(run.model, loader);
  Trainer trainer(run.model, *run.optimizer, run.loader, &evaluator, {.steps = 7});
  expect_error([&] { trainer.run(); }, {"sample 7", "label 10"});
  SmallRun sound(small_recipe(recipe), 200, {.steps = 7});
  EXPECT_TRUE(sound.trainer.run());
  EXPECT_TRUE(same_bits(take_snapshot(*run.model.graph, *run.optimizer),
                        take_snapshot(*sound.model.graph, *sound.optimizer)));
}

TEST_F(TrainerTest, AFailedEvaluationLeavesTheTrainingFormOn) {
  SmallRun run(small_recipe());
  auto narrow = std::make_shared<Dataset>(*small_digits(70, 1000));
  narrow->sample = {1, 14, 28};
  narrow->images.resize(narrow->images.size() / 2);
  Loader loader(run.context, narrow, {.batch = 32});
  expect_error(
      [&] { Evaluator(run.model, loader); },
      {"the model takes 'input' as float32 [1, 28, 28]", "digits has float32 [1, 14, 28]"});
  // An epoch that ends in an error.
  auto labels = std::make_shared<Dataset>(*small_digits(70, 1000));
  labels->labels[40] = 10;
  Loader wrong(run.context, labels, {.batch = 32});
  Evaluator evaluator(run.model, wrong);
  expect_error([&] { evaluator.run(); }, {"has label 10"});
  EXPECT_TRUE(run.context.training());
}

// What the mean of losses divides by is no number of samples once classes have weights, nor under
// "sum"; samples of an ignored label are neither right nor counted.
TEST_F(TrainerTest, AccuracyIsOfTheSamplesThatCountWhateverTheLossDividesBy) {
  const auto run_with = [](const std::string& loss) {
    // The model stays as it starts: every loss sees the same predictions.
    SmallRun run(
        small_recipe("[optim]\nlr = 1e-12\n[loss]\ntype = \"softmax_cross_entropy\"\n" + loss));
    EXPECT_TRUE(run.trainer.run());
    return run.trainer.epochs().back();
  };
  const std::string weights = "class_weights = [2, 1, 3, 5, 1, 1, 0.5, 1, 0, 1]\n";
  const auto digits = small_digits(200), unseen = small_digits(70, 1000);
  for (const std::string ignored : {"", "ignored_label = 3\n"}) {
    SCOPED_TRACE(ignored);
    const std::int64_t without = ignored.empty() ? 0 : std::ranges::count(digits->labels, 3);
    const std::int64_t unseen_without = ignored.empty() ? 0 : std::ranges::count(unseen->labels, 3);
    EXPECT_EQ(without > 0, !ignored.empty());
    const EpochReport plain = run_with(ignored);
    EXPECT_EQ(plain.train.count, 200 - without);
    EXPECT_EQ(plain.validation->count, 70 - unseen_without);
    EXPECT_GT(plain.validation->accuracy, 0);
    for (const std::string& loss : {ignored + weights, ignored + "reduction = \"sum\"\n"}) {
      const EpochReport other = run_with(loss);
      EXPECT_EQ(other.train.count, plain.train.count) << loss;
      EXPECT_EQ(other.train.accuracy, plain.train.accuracy) << loss;
      EXPECT_EQ(other.validation->count, plain.validation->count) << loss;
      EXPECT_EQ(other.validation->accuracy, plain.validation->accuracy) << loss;
    }
  }
}

// Labels of no class are as those of one that is ignored.
TEST_F(TrainerTest, IgnoredLabelsNeedBeNoClasses) {
  const auto run_with = [](std::int32_t ignored) {
    const Recipe recipe = small_recipe(str("[loss]\nignored_label = ", ignored, "\n"));
    auto train = std::make_shared<Dataset>(*small_digits(200));
    auto unseen = std::make_shared<Dataset>(*small_digits(70, 1000));
    for (const auto& data : {train, unseen}) {
      std::ranges::replace(data->labels, 3, ignored);
      data->ignored_label = ignored;
      check_dataset(*data);
    }
    SmallRun run(recipe);
    Loader loader(run.context, train, SmallRun::with(recipe, {}, true));
    Loader validation(run.context, unseen, SmallRun::with(recipe, {}, false));
    Evaluator evaluator(run.model, validation);
    Trainer trainer(run.model, *run.optimizer, loader, &evaluator, {.steps = 21});
    EXPECT_TRUE(trainer.run());
    const EpochReport& last = trainer.epochs().back();
    EXPECT_EQ(last.train.count, 200 - std::ranges::count(train->labels, ignored));
    EXPECT_EQ(last.validation->count, 70 - std::ranges::count(unseen->labels, ignored));
    EXPECT_EQ(last.skipped, 0);
    return std::pair(last.validation->loss, take_snapshot(*run.model.graph));
  };
  const auto [loss, model] = run_with(3);
  EXPECT_GT(loss, 0);
  for (const std::int32_t ignored : {-1, 255, -100}) {
    const auto [other_loss, other] = run_with(ignored);
    EXPECT_EQ(other_loss, loss) << ignored;
    EXPECT_TRUE(same_bits(other, model)) << ignored;
  }
}

TEST_F(TrainerTest, APlateauGoesByTheValidation) {
  const Recipe recipe = small_recipe(
      "[optim]\ntype = \"sgd\"\nlr = 1e-9\n[schedule]\ntype = \"plateau\"\npatience = 0\n"
      "gamma = 0.5");
  SmallRun run(recipe);
  std::vector<double> rates;
  Trainer trainer(run.model, *run.optimizer, run.loader, &run.evaluator,
                  {.steps = 21, .on_epoch = [&](const EpochReport&) {
                     UpdateState state{};
                     copy_to_host(run.context.stream(), &state, run.optimizer->update_state(),
                                  sizeof state);
                     run.context.stream().synchronize();
                     rates.push_back(state.rate_factor);
                   }});
  trainer.run();
  EXPECT_EQ(rates, (std::vector<double>{0, 0.5, 0.25}));  // nothing is learned at such a rate
  expect_error([&] { Trainer(run.model, *run.optimizer, run.loader, nullptr, {.steps = 1}); },
               {"a plateau schedule goes by the loss of validation samples"});
}

TEST_F(TrainerTest, GroupsOfARecipeNameParameters) {
  EXPECT_NO_THROW(SmallRun(small_recipe(
      "[optim]\ngroups = [{match = \"*.bias\", weight_decay = 0.0}, {rank = 2, lr_scale = 0.5}]")));
  expect_error([] { SmallRun(small_recipe("[optim]\ngroups = [{match = \"*.bias_\"}]")); },
               {"small.toml: [optim]: AdamW: group match = \"*.bias_\"", ".bias (rank 1)",
                ".weight (rank 2)"});
}

TEST_F(TrainerTest, EveryMethodTrains) {
  for (const std::string& kind : rule_kinds()) {
    SmallRun run(small_recipe(str("[optim]\ntype = \"", kind, "\"")), 1000);
    run.trainer.run();
    const auto& epochs = run.trainer.epochs();
    EXPECT_LT(epochs[2].train.loss, epochs[0].train.loss) << kind;
    EXPECT_EQ(epochs[2].skipped, 0) << kind;
  }
}

TEST_F(TrainerTest, OneSeedGivesOneModel) {
  Snapshot models[3];
  for (int i = 0; i < 3; ++i) {
    SmallRun run(small_recipe(i < 2 ? "seed = 5" : "seed = 6"));
    run.trainer.run();
    models[i] = take_snapshot(*run.model.graph);
  }
  EXPECT_TRUE(same_bits(models[0], models[1]));
  EXPECT_FALSE(same_bits(models[0], models[2]));
}

TEST_F(TrainerTest, StreamingGivesTheSameModel) {
  SmallRun resident(small_recipe());
  resident.trainer.run();
  SmallRun streamed(small_recipe(), 200, {}, {.resident_bytes = 0, .threads = 2});
  streamed.trainer.run();
  EXPECT_TRUE(
      same_bits(take_snapshot(*resident.model.graph), take_snapshot(*streamed.model.graph)));
}

// Three replayed steps against three plain ones: the run whose cache is emptied before every step
// never captures.
TEST_F(TrainerTest, ReplayedStepsEqualPlainSteps) {
  SmallRun replayed(small_recipe());
  SmallRun plain(small_recipe());
  replayed.loader.begin_epoch(1);
  plain.loader.begin_epoch(1);
  for (int step = 0; step < 5; ++step) {
    replayed.trainer.batch(true, true);
    Trainer once(plain.model, *plain.optimizer, plain.loader, nullptr, {.steps = 1});
    once.batch(true, true);
    EXPECT_TRUE(same_bits(take_snapshot(*replayed.model.graph), take_snapshot(*plain.model.graph)))
        << step;
  }
  EXPECT_FALSE(replayed.trainer.step_operations().empty());
}

TEST_F(TrainerTest, StepsAfterTheFirstAllocateNothingAndWaitForNothing) {
  SmallRun run(small_recipe(), 32 * 12);
  run.loader.begin_epoch(1);
  for (int step = 0; step < 2; ++step) run.trainer.batch(true, true);
  const DeviceCounters before = device_counters();
  const std::size_t memory = run.context.memory().use().current;
  for (int step = 0; step < 10; ++step) {
    run.trainer.batch(true, true);
    run.optimizer->read_metrics();
  }
  const DeviceCounters after = device_counters();
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.synchronizations, before.synchronizations);
  EXPECT_EQ(run.context.memory().use().current, memory);
  EXPECT_GE(after.launches, before.launches + 10 * run.trainer.step_operations().size());
}

TEST_F(TrainerTest, AnEpochWaitsForNothingBetweenItsEnds) {
  std::uint64_t least = ~std::uint64_t{0}, most = 0;
  SmallRun run(small_recipe(), 32 * 12,
               {.steps = 24, .on_step = [&](const StepReport& step) {
                  if (step.epoch != 2 || step.step >= 24) return;
                  least = std::min(least, device_counters().synchronizations);
                  most = std::max(most, device_counters().synchronizations);
                }});
  run.trainer.run();
  EXPECT_LE(most, least == ~std::uint64_t{0} ? 0 : least);
}

TEST_F(TrainerTest, AccumulatedBatchesAreOneLargeBatch) {
  const std::string plain_sgd = "[optim]\ntype = \"sgd\"\nlr = 0.05\nmomentum = 0\n";
  const auto chain = [](const std::string& rest, int batch) {
    return parse_recipe(
        str("[model]\nlayers = [{type = \"flatten\"}, {type = \"linear\", out = 10}]\n", rest,
            "[train]\nepochs = 2\nbatch = ", batch, "\n"),
        "chain.toml");
  };
  // 200 samples: 12 batches of 16 and one of 8, in 4 updates; 64 a batch, the last of 8.
  SmallRun small(chain(plain_sgd + "accumulate = 4\n", 16));
  SmallRun large(chain(plain_sgd, 64));
  small.trainer.run();
  large.trainer.run();
  EXPECT_EQ(small.trainer.epochs().back().step, large.trainer.epochs().back().step);
  EXPECT_EQ(small.trainer.epochs().back().train.count, 200);
  const Snapshot a = take_snapshot(*small.model.graph), b = take_snapshot(*large.model.graph);
  const auto* x = reinterpret_cast<const float*>(a[0].bytes.data());
  const auto* y = reinterpret_cast<const float*>(b[0].bytes.data());
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a[0].bytes.size() / sizeof(float); ++i) {
    difference += (double(x[i]) - y[i]) * (double(x[i]) - y[i]);
    norm += double(y[i]) * y[i];
  }
  EXPECT_LE(std::sqrt(difference / norm), 1e-6);
}

TEST_F(TrainerTest, KeepsTheBestModelByValidation) {
  SmallRun run(small_recipe("[optim]\nlr = 0.02"), 300);
  Snapshot best_seen;
  double best = -1, best_loss = 0;
  std::int64_t best_epoch = 0;
  // The evaluator after each epoch, again, by hand.
  SmallRun* self = &run;
  Trainer trainer(run.model, *run.optimizer, run.loader, &run.evaluator,
                  {.steps = 50, .on_epoch = [&](const EpochReport& epoch) {
                     const Evaluation found = self->evaluator.run();
                     EXPECT_EQ(found.accuracy, epoch.validation->accuracy);
                     const bool better = found.accuracy > best ||
                                         (found.accuracy == best && found.loss < best_loss);
                     EXPECT_EQ(epoch.best, better) << epoch.epoch;
                     if (!better) return;
                     best = found.accuracy;
                     best_loss = found.loss;
                     best_epoch = epoch.epoch;
                     best_seen = take_snapshot(*self->model.graph);
                   }});
  EXPECT_TRUE(trainer.run());
  EXPECT_EQ(trainer.epochs().size(), 5u) << "10 updates an epoch";
  EXPECT_EQ(trainer.best_epoch(), best_epoch);
  EXPECT_TRUE(same_bits(trainer.best(), best_seen));
}

TEST_F(TrainerTest, StopsBetweenStepsAndKeepsWhatWasLearned) {
  std::atomic<bool> stop = false;
  SmallRun run(small_recipe(), 32 * 40,
               {.stop = &stop, .on_step = [&](const StepReport& step) { stop = step.step >= 3; }});
  EXPECT_FALSE(run.trainer.run());
  ASSERT_EQ(run.trainer.epochs().size(), 1u);
  const EpochReport& epoch = run.trainer.epochs()[0];
  EXPECT_FALSE(epoch.complete);
  EXPECT_GE(epoch.step, 3);
  EXPECT_LE(epoch.step, 3 + 17) << "at most as many more as the host may be ahead";
  EXPECT_TRUE(same_bits(run.trainer.best(), take_snapshot(*run.model.graph)));
}

TEST_F(TrainerTest, NamesTheSampleOfALabelThatIsNoClass) {
  auto data = std::make_shared<Dataset>(*small_digits(100));
  data->name = "broken set";
  data->labels[77] = 10;
  SmallRun run(small_recipe());
  Loader broken(run.context, data, {.batch = 32, .seed = 1});
  Trainer trainer(run.model, *run.optimizer, broken, nullptr, {.steps = 4});
  expect_error([&] { trainer.run(); }, {"broken set", "sample 77", "label 10", "0 to 9"});
}

TEST_F(TrainerTest, ARunThatDivergesFromTheStartSaysSo) {
  SmallRun run(small_recipe("[optim]\nlr = 1"), 64);
  // Not a number from here on.
  const Tensor master = run.model.graph->parameters()[0].master();
  fill_bytes(run.context.stream(), master.data(), 0xff, master.bytes());
  expect_error([&] { run.trainer.run(); }, {"skipped", "lr"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
