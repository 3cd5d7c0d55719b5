#include "core/train/recipe/model.h"

#include <gtest/gtest.h>

#include "core/graph/registry.h"
#include "core/tensor/transfer.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::FileSizeLimit;
using test::ScratchFolder;
using ModelTest = DeviceTest;

Recipe chain(const std::string& layers, const std::string& rest = "") {
  return parse_recipe("[model]\nlayers = [\n" + layers + "\n]\n" + rest, "r.toml");
}

void expect_no_model(const Recipe& recipe, std::initializer_list<std::string> parts) {
  Context context;
  expect_error([&] { build_model(context, recipe, {.batch = 4}); }, parts);
}

TEST_F(ModelTest, NamesTheLayerThatDoesNotFit) {
  expect_no_model(chain("{type = \"flatten\"},\n{type = \"linaer\", out = 10}"),
                  {"r.toml, line 4: layer 1 (linaer)", "did you mean 'linear'?"});
  expect_no_model(chain("{type = \"flatten\"},\n{type = \"linear\", oot = 10}"),
                  {"line 4", "layer 1"});
  expect_no_model(chain("{type = \"flatten\"},\n{type = \"linear\", out = 10, baias = true}"),
                  {"line 4", "layer 1", "'baias'", "'bias'"});
  expect_no_model(chain("{type = \"flatten\"},\n{type = \"linear\", out = 0}"), {"linear"});
  expect_no_model(chain("{type = \"flatten\"},\n{type = \"dropout\", p = 1.5}"), {"dropout"});
}

TEST_F(ModelTest, LayersOfSeveralValuesNameThem) {
  for (const std::string kind : {"add", "bilinear", "mse"})
    expect_no_model(chain("{type = \"flatten\"}, {type = \"" + kind + "\"}"),
                    {"r.toml", "layer 1 (" + kind + ")", kind + " takes 2 inputs, got 1",
                     "input = [\"a\", \"b\"]"});
  expect_no_model(chain("{type = \"flatten\"}, {type = \"triplet\"}"), {"takes 3 inputs, got 1"});
  expect_no_model(chain("{type = \"flatten\", output = \"x\"}, {type = \"relu\", input = [\"x\", "
                        "\"x\"]}"),
                  {"layer 1 (relu)", "relu takes 1 input, got 2"});
  expect_no_model(chain("{type = \"flatten\"}, {type = \"split\", axis = 1, sizes = [700, 84]}"),
                  {"layer 1 (split)", "makes 2 values, and none are named", "output = "});
}

TEST_F(ModelTest, WantsANumberForEachClassAtTheEnd) {
  expect_no_model(chain("{type = \"flatten\"}, {type = \"linear\", out = 12}"),
                  {"layer 1 (linear)", "[4, 12]", "[4, 10]", "10 classes"});
  expect_no_model(chain("{type = \"linear\", out = 10}"), {"[4, 10]", "flatten"});
}

TEST_F(ModelTest, StartsAsTheRecipeSays) {
  const std::string start = "{type = \"flatten\"}, {type = \"linear\", out = 10, ";
  Context context;
  const Model model =
      build_model(context, chain(start + "weight_init = \"constant(0.25)\", bias_init = \"ones\"}"),
                  {.batch = 4});
  const std::vector<Parameter>& parameters = model.graph->parameters();
  for (float value : download<float>(context, parameters[0].master())) ASSERT_EQ(value, 0.25f);
  for (float value : download<float>(context, parameters[1].master())) ASSERT_EQ(value, 1.0f);
  expect_no_model(chain(start + "weight_init = \"kaming_normal\"}"),
                  {"layer 1 (linear) weight_init", "did you mean 'kaiming_normal'?"});
  expect_no_model(chain(start + "bias_init = \"kaiming_normal\"}"), {"bias_init", "without a fan"});
  expect_no_model(chain(start + "bias_init = \"orthogonal\"}"), {"bias_init", "without a fan"});
}

TEST_F(ModelTest, NamesTheOptionOfALossThatDoesNotFit) {
  const std::string good = "{type = \"flatten\"}, {type = \"linear\", out = 10}";
  const auto with = [&](const std::string& loss) { return chain(good, "[loss]\n" + loss); };
  expect_no_model(with("label_smoothing = 1"), {"label_smoothing"});
  expect_no_model(with("ignored_label = 3000000000"), {"ignored_label"});
  expect_no_model(with("label_smothing = 0.1"),
                  {"r.toml, line 6", "did you mean 'label_smoothing'"});
  expect_no_model(with("type = \"softmax_crossentropy\""),
                  {"[loss]", "did you mean 'softmax_cross_entropy'?"});
  expect_no_model(with("type = \"relu\""), {"[loss]", "relu makes no totals"});
}

// Recipes are read without a backend and go by the names of losses.
TEST_F(ModelTest, LossesPredictWhatTheirNamesSay) {
  int losses = 0;
  for (const LayerEntry& entry : registered_layers()) {
    if (!entry.make) continue;
    const auto loss = std::dynamic_pointer_cast<LossLayer>(entry.cases[0].make());
    if (loss == nullptr) continue;
    ++losses;
    EXPECT_EQ(predicted_by(entry.kind), loss->predicts()) << entry.kind;
  }
  EXPECT_GE(losses, 9);
}

TEST_F(ModelTest, SavesAndLoads) {
  // In 16 bits the layers use copies of what is loaded.
  for (const std::string precision : {"float32", "bfloat16", "float16"}) {
    const std::string setting = "precision = \"" + precision + "\"";
    const ScratchFolder scratch;
    SmallRun run(small_recipe(setting));
    run.trainer.run();
    const Snapshot trained = take_snapshot(*run.model.graph);
    save_model(scratch / "m.safetensors", trained);
    SmallRun other(small_recipe("seed = 8\n" + setting));
    EXPECT_FALSE(same_bits(take_snapshot(*other.model.graph), trained));
    load_model(scratch / "m.safetensors", *other.model.graph);
    EXPECT_TRUE(same_bits(take_snapshot(*other.model.graph), trained));
    EXPECT_EQ(other.evaluator.run().accuracy, run.evaluator.run().accuracy) << precision;
    EXPECT_EQ(SafetensorsFile::read(scratch / "m.safetensors").tensors().size(), 4u);
  }
}

TEST_F(ModelTest, ListsEverythingThatDoesNotFitAtOnce) {
  const ScratchFolder scratch;
  SmallRun run(small_recipe());
  Snapshot snapshot = take_snapshot(*run.model.graph);
  ASSERT_EQ(snapshot.size(), 4u);
  const std::string missing = snapshot[0].name, misshaped = snapshot[1].name;
  snapshot[0].name = "stranger";
  snapshot[1].type.shape = {2, snapshot[1].type.shape.count() / 2};
  save_model(scratch / "m.safetensors", snapshot);
  const Snapshot before = take_snapshot(*run.model.graph);
  expect_error(
      [&] { load_model(scratch / "m.safetensors", *run.model.graph); },
      {"missing:   " + missing, "different: " + misshaped, "unknown:   stranger", "m.safetensors"});
  EXPECT_TRUE(same_bits(take_snapshot(*run.model.graph), before));
}

TEST_F(ModelTest, AFullDiskLeavesTheOldFile) {
  const ScratchFolder scratch;
  SmallRun run(small_recipe());
  const Snapshot first = take_snapshot(*run.model.graph);
  save_model(scratch / "m.safetensors", first);
  run.trainer.run();
  {
    const FileSizeLimit limit(4096);
    expect_error([&] { save_model(scratch / "m.safetensors", take_snapshot(*run.model.graph)); },
                 {"m.safetensors"});
  }
  load_model(scratch / "m.safetensors", *run.model.graph);
  EXPECT_TRUE(same_bits(take_snapshot(*run.model.graph), first));
  EXPECT_EQ(scratch.entries(), 1u);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
