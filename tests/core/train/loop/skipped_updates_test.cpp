// Updates that are skipped, and numbers that are none: what a run makes of them, and tells.
#include "core/train/loop/skipped_updates.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "core/tensor/transfer.h"
#include "core/train/judging/not_finite.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

/// Two classes beside each other in two features, in units of `unit`; a third feature is noise.
std::shared_ptr<Dataset> two_blobs(std::int64_t count, float unit = 1, unsigned seed = 1) {
  auto data = std::make_shared<Dataset>();
  data->name = "blobs";
  data->count = count;
  data->type = DType::float32;
  data->sample = {3};
  data->feature_names = {"width", "height", "noise"};
  data->classes = 2;
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0, 0.4f);
  for (std::int64_t i = 0; i < count; ++i) {
    const float side = i % 2 == 0 ? -1.5f : 1.5f;
    for (const float middle : {side, -side, 0.0f})
      data->features.push_back(unit * (middle + normal(engine)));
    data->labels.push_back(std::int32_t(i % 2));
  }
  return data;
}

struct BlobRun : SmallRun {
  using SmallRun::SmallRun;

  /// Of the weights of the first layer, so that its outputs are about as large as the inputs.
  void set_first_layer(float value) {
    const Tensor weight = model.graph->parameters()[0].master();
    upload(context, weight, std::vector<float>(std::size_t(weight.count()), value));
    model.graph->refresh_parameters();
  }
  double test_accuracy(const std::shared_ptr<Dataset>& data) {
    restore_snapshot(*model.graph, trainer.best());
    Loader test(context, data, {.batch = 32, .shuffle = false});
    return Evaluator(model, test).run().accuracy;
  }
};

/// 32 samples a batch, 4 epochs.
Recipe blob_recipe(const std::string& rest, bool normalised = false, std::int64_t epochs = 4,
                   std::int64_t batch = 32) {
  return parse_recipe(str("[model]\nlayers = [{type = \"linear\", out = 4}, ",
                          normalised ? "{type = \"batch_norm\"}, " : "",
                          "{type = \"tanh\"}, {type = \"linear\", out = 2}]\n[train]\nbatch = ",
                          batch, "\nepochs = ", epochs, "\n", rest),
                      "blobs.toml");
}

bool has_note(const EpochReport& epoch, const std::string& part) {
  return std::ranges::any_of(
      epoch.notes, [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

TEST(SkippedUpdates, AreTakenApartByTheirCause) {
  const LossScaling scaling{.dynamic = true, .smallest = 2};
  const double infinity = std::numeric_limits<double>::infinity();
  SkippedUpdates skipped;
  const auto count = [&](double loss, double valid, float scale, bool was_skipped = true) {
    skipped.count({.loss_sum = loss,
                   .valid_count = valid,
                   .gradient_norm = infinity,
                   .skipped = was_skipped ? 1u : 0u,
                   .loss_scale = scale},
                  scaling);
  };
  count(1, 8, 64);
  count(1, 8, 32);
  count(1, 8, 16, false);
  count(infinity, 8, 16);
  count(std::nan(""), 8, 2);
  count(1, 8, 2);
  count(0, 0, 16);
  EXPECT_EQ(skipped.loss_scale, 2);
  EXPECT_EQ(skipped.scale_before, 64);
  EXPECT_EQ(skipped.scale_after, 16);
  EXPECT_EQ(skipped.loss, 2);
  EXPECT_EQ(skipped.gradient, 1);
  EXPECT_EQ(skipped.no_samples, 1);
  skipped.count({.loss_sum = 1, .valid_count = 8, .gradient_norm = 4e19, .skipped = 1}, scaling);
  EXPECT_EQ(skipped.too_long, 1) << "finite, and the scale stays";
  EXPECT_EQ(skipped.total(), 7);
  EXPECT_EQ(skipped.diverged(), 4);
  const std::vector<std::string> lines = skip_lines(skipped, "the reason");
  ASSERT_EQ(lines.size(), 5u);
  EXPECT_EQ(lines[0], "2 updates skipped while the loss scale was sought: 64 fell to 16");
  EXPECT_EQ(lines[1], "2 updates skipped because the loss was not finite: the reason");
  EXPECT_NE(lines[2].find("1 update skipped because gradients were not finite, even at the "
                          "smallest loss scale; lower"),
            std::string::npos);
  EXPECT_NE(lines[3].find("squares are infinite in float32; set [optim] clip_norm"),
            std::string::npos);
  EXPECT_NE(lines[4].find("no sample"), std::string::npos);
  EXPECT_TRUE(skip_lines({}, "").empty());
}

using SkippingTest = DeviceTest;

// The scale falls one power of two an update; with one update an epoch, one an epoch.
TEST_F(SkippingTest, EpochsMayPassWhileTheLossScaleIsSought) {
  for (const std::int64_t samples : {32, 64, 90}) {
    SCOPED_TRACE(samples);
    BlobRun run(blob_recipe("precision = \"float16\"\n[optim]\nlr = 0.03", false, 40),
                two_blobs(samples, 30000 / 2), two_blobs(40, 30000 / 2, 2));
    // Inputs near 2e4: sums of gradients overflow at the first scales. The layer brings them down.
    run.set_first_layer(3e-5f);
    EXPECT_TRUE(run.trainer.run());
    const auto& epochs = run.trainer.epochs();
    EXPECT_EQ(epochs.front().skipped, epochs.front().step) << "no update of the first was made";
    EXPECT_TRUE(has_note(epochs.front(), "while the loss scale was sought: 2048 fell to "))
        << epochs.front().notes.at(0);
    EXPECT_EQ(epochs.front().notes.size(), 1u);
    EXPECT_TRUE(epochs.back().notes.empty());
    EXPECT_LT(epochs.back().skipped, epochs.back().step / 2);
    EXPECT_EQ(run.test_accuracy(two_blobs(100, 30000 / 2, 3)), 1.0);
    EXPECT_EQ(run.trainer.skipped().diverged(), 0);
  }
}

// A mean over the batch would be multiplied by 65536; sums over it are by as much less.
TEST_F(SkippingTest, TheFirstScaleFitsSumsOverTheBatch) {
  const auto first_scale = [](std::int64_t batch) {
    Context context;
    const Recipe recipe = blob_recipe("precision = \"float16\"", false, 1, batch);
    const Model model = build_model(context, recipe, model_options(*two_blobs(8)));
    const auto optimizer = build_optimizer(context, recipe, *model.graph, 10);
    return download<float>(context, Tensor(context.loss_scale(), DType::float32, {1}))[0];
  };
  EXPECT_EQ(first_scale(1), 65536);
  EXPECT_EQ(first_scale(2), 32768);
  EXPECT_EQ(first_scale(100), 512);
  EXPECT_EQ(first_scale(128), 512);
  EXPECT_EQ(first_scale(129), 256);
  EXPECT_EQ(first_scale(1000000), 1);
}

// One row of all, again and again: as if it were not there.
TEST_F(SkippingTest, ARowThatOverflowsFloat16HarmsNothing) {
  const auto data = two_blobs(1000);
  data->features[3 * 500 + 2] = 60000;
  BlobRun run(blob_recipe("precision = \"float16\"\n[optim]\nlr = 0.02", true), data,
              two_blobs(100, 1, 2));
  run.set_first_layer(2);
  EXPECT_TRUE(run.trainer.run());
  EXPECT_EQ(run.trainer.skipped().loss, 4) << "once an epoch";
  for (const Slot& state : run.model.graph->states())
    for (const float value : download<float>(run.context, state.tensor()))
      EXPECT_LT(std::abs(value), 1000) << state.name();
  EXPECT_GE(run.test_accuracy(two_blobs(300, 1, 3)), 0.99);
  for (const EpochReport& epoch : run.trainer.epochs()) {
    EXPECT_TRUE(std::isfinite(epoch.validation->loss));
    for (const std::string part :
         {"loss was not finite", "feature 'noise' of sample 500 of blobs is 60000", "65504",
          "bfloat16"})
      EXPECT_TRUE(has_note(epoch, part)) << part;
  }
}

// A validation loss that is no number says nothing of a classifier that is right nearly everywhere.
TEST_F(SkippingTest, ABadRowAmongTheValidationSamplesLeavesAccuracyToDecide) {
  const auto validation = two_blobs(100, 1, 2);
  validation->features[3 * 50 + 1] = 80000;  // whose sum is infinity less infinity
  validation->features[3 * 50 + 2] = -80000;
  BlobRun run(blob_recipe("precision = \"float16\"\n[optim]\nlr = 0.02", true), two_blobs(1000),
              validation);
  run.set_first_layer(2);
  EXPECT_TRUE(run.trainer.run());
  const auto& epochs = run.trainer.epochs();
  EXPECT_FALSE(std::isfinite(epochs.back().validation->loss));
  EXPECT_TRUE(has_note(epochs.back(), "the validation loss is "));
  run.trainer.require_best();
  double best = 0;
  for (const EpochReport& epoch : epochs) {
    EXPECT_EQ(epoch.best, epoch.validation->accuracy > best) << epoch.epoch;
    best = std::max(best, epoch.validation->accuracy);
  }
  EXPECT_GE(best, 0.98);
  EXPECT_GE(run.test_accuracy(two_blobs(300, 1, 3)), 0.95);
}

TEST_F(SkippingTest, ReplaysAndResumedRunsEqualPlainOnes) {
  for (const std::string precision : {"float16", "bfloat16", "float32"}) {
    SCOPED_TRACE(precision);
    const auto data = two_blobs(200);
    data->features[3 * 100 + 2] = precision == "float16" ? 60000 : 3e38f;
    const Recipe recipe = blob_recipe(
        str("precision = \"", precision, "\"\n[optim]\nlr = 0.02\nema = 0.9\naccumulate = 2"),
        true);
    const auto make = [&](TrainerOptions options) {
      auto run = std::make_unique<BlobRun>(recipe, data, two_blobs(50, 1, 2), std::move(options));
      run->set_first_layer(2);
      return run;
    };
    const auto all_of = [](const BlobRun& run) {
      return take_snapshot(*run.model.graph, *run.optimizer);
    };
    const auto replayed = make({}), plain = make({});
    for (std::uint64_t epoch = 1; epoch <= 2; ++epoch) {
      replayed->loader.begin_epoch(epoch);
      plain->loader.begin_epoch(epoch);
      for (int step = 0; step < 6; ++step) {
        replayed->trainer.batch(step % 2 == 0, step % 2 == 1);
        Trainer(plain->model, *plain->optimizer, plain->loader, nullptr, {.steps = 1})
            .batch(step % 2 == 0, step % 2 == 1);
        EXPECT_TRUE(same_bits(all_of(*replayed), all_of(*plain))) << epoch << ", " << step;
      }
    }

    const auto whole = make({});
    EXPECT_TRUE(whole->trainer.run());
    EXPECT_GE(whole->trainer.skipped().loss, 4);
    const test::ScratchFolder scratch;
    RunState state;
    Snapshot best;
    std::atomic<bool> stop = false;
    BlobRun* self = nullptr;
    const auto first = make({.stop = &stop,
                             .on_checkpoint =
                                 [&] {
                                   if (stop || self->trainer.state().step < 6) return;
                                   state = self->trainer.state();
                                   best = self->trainer.best();
                                   save_model(scratch / "last", all_of(*self));
                                   stop = true;
                                 },
                             .checkpoint_seconds = 0,
                             .checkpoint_share = 1});
    self = first.get();
    EXPECT_FALSE(first->trainer.run());
    const auto second = make({});
    load_training(SafetensorsFile::read(scratch / "last"), *second->model.graph,
                  *second->optimizer);
    second->trainer.resume(state, std::move(best));
    EXPECT_TRUE(second->trainer.run());
    EXPECT_TRUE(same_bits(all_of(*whole), all_of(*second)));
    EXPECT_TRUE(same_bits(whole->trainer.best(), second->trainer.best()));
  }
}

// ---- causes

TEST_F(SkippingTest, ARunThatCannotLearnNamesTheFeature) {
  const auto data = two_blobs(64);
  for (std::size_t i = 2; i < data->features.size(); i += 3) data->features[i] = 70000;
  data->features[3 * 40 + 2] = -90000;
  BlobRun run(blob_recipe("precision = \"float16\""), data, two_blobs(10));
  expect_error([&] { run.trainer.run(); }, {"all 2 updates of epoch 1 were skipped",
                                            "feature 'noise' of sample 40 of blobs is -90000",
                                            "float16 holds, 65504", "normalise"});
  BlobRun wide(blob_recipe("precision = \"bfloat16\""), data, two_blobs(10));
  EXPECT_TRUE(wide.trainer.run());
}

TEST_F(SkippingTest, ATargetBeyondFloat16IsNamed) {
  const auto data = two_blobs(64);
  data->classes = 0;
  data->labels.clear();
  data->outputs = 1;
  data->targets.assign(64, 80000);
  data->targets[9] = 1e6f;
  const Recipe recipe = parse_recipe(
      "[model]\nlayers = [{type = \"linear\", out = 1}]\n[loss]\ntype = \"mse\"\n[data]\nname = "
      "\"csv\"\ntrain = \"x.csv\"\ntarget = \"y\"\ntask = \"regression\"\n[train]\nbatch = "
      "32\nepochs = 4\nprecision = \"float16\"",
      "numbers.toml");
  BlobRun run(recipe, data, data);
  expect_error([&] { run.trainer.run(); }, {"target 0 of sample 9 of blobs is 1e+06", "65504"});
}

TEST_F(SkippingTest, ParametersThatAreNoNumbersAreNamed) {
  BlobRun run(blob_recipe("", true), two_blobs(64), two_blobs(10));
  run.set_first_layer(kNaN);
  expect_error([&] { run.trainer.run(); },
               {"skipped", "parameter linear1.weight is not a number", "lower [optim] lr"});
}

TEST_F(SkippingTest, WithoutAScaleGradientsAreToBlame) {
  BlobRun run(blob_recipe("[optim]\nloss_scale = 1e38"), two_blobs(64, 1e3f), two_blobs(10));
  expect_error([&] { run.trainer.run(); },
               {"all 2 updates of epoch 1",
                "gradients were not finite; lower [optim] loss_scale, now 1e+38"});
}

TEST_F(SkippingTest, SamplesThatDoNotCountAreNoDivergence) {
  const auto data = two_blobs(64);
  data->labels.assign(64, 1);
  BlobRun run(blob_recipe("[loss]\ntype = \"softmax_cross_entropy\"\nignored_label = 1"), data,
              two_blobs(10));
  expect_error([&] { run.trainer.run(); }, {"all 2 updates", "no sample of theirs counts"});
}

// ---- the best

/// Makes the model's last bias NaN while epochs of `broken` are judged, and as it was after.
struct Breaker {
  std::set<std::int64_t> broken;
  std::int64_t updates_an_epoch = 0;
  BlobRun* run = nullptr;
  std::vector<float> bias = {};

  Tensor last() const { return run->model.graph->parameters().back().master(); }
  void before(const StepReport& step) {
    if (step.step % updates_an_epoch != 0 || !broken.contains(step.epoch) || !bias.empty()) return;
    bias = download<float>(run->context, last());
    upload(run->context, last(), std::vector<float>(bias.size(), kNaN));
    run->model.graph->refresh_parameters();
  }
  void after() {
    if (bias.empty()) return;
    upload(run->context, last(), bias);
    run->model.graph->refresh_parameters();
    bias.clear();
  }
};

std::vector<bool> best_epochs(const std::set<std::int64_t>& broken, Snapshot* best = nullptr,
                              std::int64_t* epoch = nullptr) {
  Breaker breaker{.broken = broken, .updates_an_epoch = 2};
  std::vector<bool> flags;
  BlobRun run(blob_recipe("[optim]\nlr = 0.01\n"), two_blobs(64), two_blobs(20, 1, 2),
              {.on_step = [&](const StepReport& step) { breaker.before(step); },
               .on_epoch =
                   [&](const EpochReport& report) {
                     flags.push_back(report.best);
                     EXPECT_EQ(std::isnan(report.validation->loss), broken.contains(report.epoch));
                     EXPECT_EQ(has_note(report, "validation loss is "),
                               broken.contains(report.epoch));
                     EXPECT_EQ(has_note(report, "parameter linear2.bias is not a number"),
                               broken.contains(report.epoch));
                     breaker.after();
                   }});
  breaker.run = &run;
  EXPECT_TRUE(run.trainer.run());
  if (best != nullptr) *best = run.trainer.best();
  if (epoch != nullptr) *epoch = run.trainer.best_epoch();
  if (broken.size() == 4)
    expect_error([&] { run.trainer.require_best(); },
                 {"no model is the best", "validation loss", "linear2.bias"});
  else
    run.trainer.require_best();
  return flags;
}

TEST_F(SkippingTest, ALossThatIsNoNumberIsNeverBest) {
  Snapshot sound, found;
  std::int64_t epoch = 0;
  const std::vector<bool> without = best_epochs({}, &sound);
  ASSERT_EQ(without, (std::vector<bool>{true, true, true, true}));
  EXPECT_EQ(best_epochs({1}), (std::vector<bool>{false, true, true, true}));
  EXPECT_EQ(best_epochs({1, 2, 4}, &found, &epoch), (std::vector<bool>{false, false, true, false}));
  EXPECT_EQ(epoch, 3);
  for (const SavedTensor& tensor : found) {
    std::vector<float> values(tensor.bytes.size() / sizeof(float));
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    for (const float value : values) EXPECT_TRUE(std::isfinite(value)) << tensor.name;
  }
  EXPECT_EQ(best_epochs({1, 2, 3, 4}, &found, &epoch), (std::vector<bool>(4, false)));
  EXPECT_EQ(epoch, 0);
  EXPECT_TRUE(found.empty());
}

// Of a file of before: NaN may stand there as the best.
TEST_F(SkippingTest, ANoNumberThatWasBestIsReplaced) {
  BlobRun run(blob_recipe(""), two_blobs(64), two_blobs(20));
  RunState state = run.trainer.state();
  state.best_epoch = 1;
  state.epoch = 2;
  state.best = ModelScore{.loss = std::nan(""), .accuracy = 1};
  run.trainer.resume(state, {});
  EXPECT_TRUE(run.trainer.run());
  EXPECT_TRUE(run.trainer.epochs().front().best);
}

// ---- the moving average

// 87 updates, after which 0.999^86 of the first weights would be left; running state likewise.
TEST_F(SkippingTest, AnAverageOfAShortRunKeepsUp) {
  for (const bool normalised : {false, true}) {
    SCOPED_TRACE(normalised);
    // Accuracy of the weights, of their average, and of the model that is kept.
    const auto measure = [&](const std::string& options) {
      BlobRun run(blob_recipe("[optim]\nlr = 0.01\nema = 0.999\n" + options, normalised, 29),
                  two_blobs(96), two_blobs(200, 1, 2));
      run.set_first_layer(0.01f);
      EXPECT_TRUE(run.trainer.run());
      EXPECT_EQ(run.trainer.epochs().back().step, 87);
      const auto evaluate = [&] { return run.evaluator.run(); };
      const Evaluation weights = evaluate();
      run.optimizer->swap_average();
      const Evaluation average = evaluate();
      run.optimizer->swap_average();
      restore_snapshot(*run.model.graph, run.trainer.best());
      return std::array{weights, average, evaluate()};
    };
    const auto [weights, grown, kept] = measure("");
    const auto [same, fixed, kept_of_fixed] = measure("ema_warmup = false");
    EXPECT_EQ(weights.loss, same.loss) << "an average changes no training";
    EXPECT_EQ(weights.accuracy, 1.0);
    EXPECT_EQ(grown.accuracy, 1.0);
    EXPECT_LT(grown.loss, 1.5 * weights.loss);
    EXPECT_GT(fixed.loss, 5 * weights.loss);
    EXPECT_LE(kept.loss, grown.loss);
    EXPECT_LE(kept_of_fixed.loss, weights.loss) << "never what is far worse";
  }
}

TEST_F(SkippingTest, TellsWhereTheAverageIsWorse) {
  const auto notes = [](const std::string& ema) {
    BlobRun run(blob_recipe("[optim]\nlr = 0.01\n" + ema), two_blobs(96), two_blobs(60, 1, 2));
    EXPECT_TRUE(run.trainer.run());
    return run.trainer.epochs().back();
  };
  const EpochReport behind = notes("ema = 0.999\nema_warmup = false");
  EXPECT_TRUE(has_note(behind, "the weights are better than their moving average"));
  EXPECT_TRUE(has_note(behind, "validation of the average: accuracy "));
  EXPECT_TRUE(notes("").notes.empty());
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
