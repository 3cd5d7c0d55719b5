// A model in a run folder against the one that was trained: the same scores, numbers in the units
// of the data, pictures.
#include "core/train/judging/predictor.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/base/png.h"
#include "core/samples/recipe_data.h"
#include "core/tensor/transfer.h"
#include "core/train/files/model_file.h"
#include "core/train/files/outline.h"
#include "core/train/judging/reconstructions.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::ScratchFolder;
using PredictorTest = DeviceTest;

/// A run folder with a model that was not trained, its data, and what it predicts of the test part.
struct Saved {
  ScratchFolder scratch;
  Recipe recipe;
  RecipeData data;
  std::vector<float> predictions;

  explicit Saved(const std::string& text, bool with_outline = true)
      : recipe(parse_recipe(text, "r.toml")), data(load_recipe_data(recipe.data)) {
    const RunFolder folder = RunFolder::create({.out = scratch / "run"});
    Context context({.seed = 4});
    ModelOptions options = model_options(data.test);
    options.keep_prediction = true;
    Model model = build_model(context, recipe, options);
    save_model(folder.model(), take_snapshot(*model.graph),
               with_outline ? outline_metadata(data.test) : SafetensorsMetadata(), data.statistics);
    write_file_atomically(folder.recipe(), std::string_view(to_toml(recipe)));
    Loader loader(
        context, std::make_shared<Dataset>(data.test),
        {.batch = recipe.train.batch, .shuffle = false, .pixels = pixel_scale(data.statistics)});
    context.set_training(false);
    loader.begin_epoch(0);
    while (const std::int64_t size = loader.next_size()) {
      loader.advance();
      model.graph->set_batch(size);
      gather_batch(loader, model);
      model.graph->forward();
      const auto batch = download<float>(context, model.graph->tensor(model.prediction));
      predictions.insert(predictions.end(), batch.begin(), batch.end());
      loader.batch_queued();
    }
  }
  RunFolder folder() const { return RunFolder::open(scratch / "run"); }
};

/// The samples as files give them, by the predictor of a run.
std::vector<float> run(Context& context, Predictor& predictor, const Dataset& samples) {
  return predictor.run(*sample_loader(context, samples, predictor.outline(), predictor.statistics(),
                                      predictor.batch()));
}

const std::string kModel =
    "[model]\nlayers = [{type = \"flatten\"}, {type = \"linear\", out = 12}, {type = \"relu\"}, "
    "{type = \"dropout\", p = 0.5}, {type = \"linear\", out = ";
const std::string kDigits = "[data]\nname = \"digits\"\ntrain_count = 100\ntest_count = 70\n";
const std::string kEnd = "}]\n[train]\nbatch = 32\nepochs = 1\n";

TEST_F(PredictorTest, ScoresAreTheModels) {
  for (const bool with_outline : {true, false}) {
    const Saved saved(kDigits + kModel + "10" + kEnd, with_outline);
    Context context;
    Predictor predictor(context, saved.folder());
    EXPECT_EQ(predictor.outline().sample, (Shape{1, 28, 28}));
    EXPECT_EQ(predictor.outline().classes, 10);
    EXPECT_EQ(predictor.width(), 10);
    Dataset samples = saved.data.test;
    // In batches, and alone.
    EXPECT_EQ(run(context, predictor, samples), saved.predictions);
    const std::vector<std::int64_t> one = {40};
    const std::vector<float> alone = run(context, predictor, select(samples, one));
    for (std::size_t c = 0; c < 10; ++c) EXPECT_NEAR(alone[c], saved.predictions[400 + c], 1e-5);
    samples.sample = {1, 14, 56};
    expect_error([&] { run(context, predictor, samples); }, {"[1, 14, 56]", "[1, 28, 28]"});
  }
}

TEST_F(PredictorTest, AFailureLeavesTheTrainingFormOn) {
  const Saved saved(kDigits + kModel + "10" + kEnd);
  Context context;
  Predictor predictor(context, saved.folder());
  run(context, predictor, saved.data.test);
  // The last that is allocated fails now.
  context.memory().set_limit(context.memory().use().peak - 1);
  expect_error([&] { run(context, predictor, saved.data.test); }, {"for 'predictions'"});
  EXPECT_TRUE(context.training());
}

TEST_F(PredictorTest, NumbersAreInTheUnitsOfTheData) {
  const Saved saved(
      "[data]\nname = \"regression\"\ntrain_count = 200\ntest_count = 50\n[loss]\ntype = "
      "\"mse\"\n[model]\nlayers = [{type = \"linear\", out = 1" +
      kEnd);
  Context context;
  Predictor predictor(context, saved.folder());
  // As in a file: not normalised yet.
  Dataset samples = saved.data.test;
  const DataStatistics& by = saved.data.statistics;
  for (std::size_t i = 0; i < samples.features.size(); ++i)
    samples.features[i] = static_cast<float>(samples.features[i] * by.input.deviation[i % 10] +
                                             by.input.mean[i % 10]);
  const std::vector<float> found = run(context, predictor, samples);
  ASSERT_EQ(found.size(), 50u);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double want = saved.predictions[i] * by.target.deviation[0] + by.target.mean[0];
    EXPECT_NEAR(found[i], want, 1e-4 * (1 + std::abs(want)));
  }
}

TEST_F(PredictorTest, LogitsBecomeTheProbabilitiesTheyStandFor) {
  const ScratchFolder scratch;
  std::string table = "a,b,p,q\n";
  for (int i = 0; i < 40; ++i) table += str(i % 7, ",", i % 5, ",", i % 2, ",", 1 - i % 2, "\n");
  write_file_atomically(scratch / "t.csv", std::string_view(table));
  for (const std::string loss : {"bce_with_logits", "kl_divergence", "softmax_cross_entropy"}) {
    SCOPED_TRACE(loss);
    const Saved saved(
        "[data]\nname = \"csv\"\ntask = \"regression\"\ntrain = \"t.csv\"\ntarget = "
        "[\"p\", \"q\"]\nnormalise = false\nfolder = \"" +
        scratch.path().string() + "\"\n[loss]\ntype = \"" + loss +
        "\"\n[model]\nlayers = [{type = \"linear\", out = 2" + kEnd);
    Context context;
    Predictor predictor(context, saved.folder());
    const std::vector<float> found = run(context, predictor, saved.data.test);
    ASSERT_EQ(found.size(), saved.predictions.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const double own = std::exp(double(saved.predictions[i]));
      const double other = std::exp(double(saved.predictions[i ^ 1]));
      const double want = loss == "bce_with_logits" ? own / (1 + own)
                          : loss == "kl_divergence" ? own
                                                    : own / (own + other);
      EXPECT_NEAR(found[i], want, 1e-6 * (1 + want)) << i;
    }
  }
}

TEST_F(PredictorTest, ABrokenOutlineOrModelIsAnError) {
  const Saved saved(kDigits + kModel + "10" + kEnd);
  const RunFolder folder = saved.folder();
  Dataset wrong = saved.data.test;
  wrong.sample = {1, 28, 27};
  Context context;
  const SafetensorsFile file = SafetensorsFile::read(folder.model());
  write_safetensors(folder.model(), file.tensors(), outline_metadata(wrong));
  expect_error([&] { Predictor(context, folder); }, {"does not fit the model"});
  write_safetensors(folder.model(), file.tensors(), {{"outline", "[]"}});
  expect_error([&] { Predictor(context, folder); }, {"model.safetensors"});
}

TEST_F(PredictorTest, ReconstructionsAreDrawnAsTheyAre) {
  const PixelStatistics pixels{.mean = 0.5, .deviation = 0.25};
  // -2 and 2 are black and white; beyond them nothing is.
  const std::vector<float> inputs = {-2, 2, 0, 0, 2, -2, 2, 2},
                           outputs = {-9, 9, NAN, 0, 0, 0, 0, 0};
  const Image picture = reconstruction_picture({1, 2, 2}, pixels, inputs, outputs);
  EXPECT_EQ(picture.height, 2 * 84 + 18);
  EXPECT_EQ(picture.width, 2 * 84 + 18);
  const auto at = [&](std::int64_t y, std::int64_t x) {
    return int(picture.pixels[std::size_t(y * picture.width + x)]);
  };
  EXPECT_EQ(at(6, 6), 0);
  EXPECT_EQ(at(6, 6 + 83), 255);
  EXPECT_EQ(at(6 + 83, 6), 128);
  EXPECT_EQ(at(6, 96), 255);
  EXPECT_EQ(at(96, 6), 0);
  EXPECT_EQ(at(96, 6 + 83), 255);
  EXPECT_EQ(at(96 + 83, 6), 0) << "what is no number";
  EXPECT_EQ(at(0, 0), at(93, 93)) << "paper";
  expect_error(
      [&] {
        reconstruction_picture({1, 2, 3}, pixels, inputs, outputs);
      },
      {"reconstructions"});
}

struct Autoencoder {
  Recipe recipe;
  Dataset digits;
  Context context;
  Model model;
  Loader loader;

  explicit Autoencoder(const std::string& precision)
      : recipe(parse_recipe("[data]\nname = \"digits\"\ntarget = \"input\"\ntrain_count = "
                            "20\ntest_count = 12\n[model]\nlayers = [{type = \"flatten\"}, "
                            "{type = \"linear\", out = 784}]\n[loss]\ntype = \"mse\"\n"
                            "[train]\nbatch = 12\nepochs = 1\nprecision = \"" +
                                precision + "\"\n",
                            "r.toml")),
        digits(load_recipe_data(recipe.data).test),
        model(build_model(context, recipe, model_options(digits))),
        loader(context, std::make_shared<Dataset>(digits), {.batch = 12, .shuffle = false}) {}
};

TEST_F(PredictorTest, ReconstructionsAreDrawnInEveryPrecision) {
  const ScratchFolder scratch;
  for (const std::string precision : {"float32", "bfloat16", "float16"}) {
    SCOPED_TRACE(precision);
    Autoencoder run(precision);
    draw_reconstructions(scratch / "p.png", run.model, run.loader, run.digits.sample,
                         {.deviation = 1});
    const Image picture = read_png(scratch / "p.png");
    // The upper row are the inputs, each pixel three times as wide.
    for (std::int64_t y = 0; y < 28; ++y)
      for (std::int64_t x = 0; x < 28; ++x)
        ASSERT_NEAR(picture.pixels[std::size_t((6 + 3 * y) * picture.width + 6 + 3 * x)],
                    run.digits.images[std::size_t(28 * y + x)], 1);
  }
}

TEST_F(PredictorTest, AFailedDrawingLeavesTheTrainingFormOn) {
  const ScratchFolder scratch;
  Autoencoder run("float32");
  run.digits.sample = {1, 14, 28};
  run.digits.images.resize(run.digits.images.size() / 2);
  Loader narrow(run.context, std::make_shared<Dataset>(run.digits),
                {.batch = 12, .shuffle = false});
  expect_error(
      [&] {
        draw_reconstructions(scratch / "p.png", run.model, narrow, run.digits.sample,
                             {.deviation = 1});
      },
      {"expected rows as wide as the batch's"});
  EXPECT_TRUE(run.context.training());
}

TEST(Predictions, AreProbabilitiesInOrder) {
  const std::vector<double> p = probabilities(std::vector<float>{1000, 1001, 999, 1001});
  EXPECT_NEAR(p[0] + p[1] + p[2] + p[3], 1, 1e-15);
  EXPECT_NEAR(p[1] / p[0], std::exp(1.0), 1e-12);
  EXPECT_EQ(best_classes(p, 3), (std::vector<std::int32_t>{1, 3, 0}));
  EXPECT_EQ(best_classes(p, 9).size(), 4u);
  EXPECT_TRUE(std::isnan(probabilities(std::vector<float>{1, NAN})[0]));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
