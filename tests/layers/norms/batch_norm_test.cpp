#include "layers/norms/batch_norm.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(BatchNormTest, EvaluationUsesWhatTrainingLeft) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({4, 2}, true);
  const Value y = batch_norm(x, {.momentum = 0.5, .affine = false});
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 2, 5, 6, 7, 6});
  upload(model.context, model.graph.gradient(y), std::vector<float>(8, 1.0f));
  model.step();
  const auto& states = model.graph.states();
  ASSERT_EQ(states.size(), 2u);
  EXPECT_EQ(states[0].name(), "batch_norm1.running_mean");
  EXPECT_EQ(states[1].name(), "batch_norm1.running_variance");
  // Batch means 4 and 4; unbiased variances 20/3 and 16/3; each half of the way from 0 and 1.
  expect_near(download<float>(model.context, states[0].tensor()), {2, 2}, 1e-6);
  expect_near(download<float>(model.context, states[1].tensor()), {23.0f / 6, 19.0f / 6}, 1e-6);
  model.context.set_training(false);
  model.step();
  const float first = 1 / std::sqrt(23.0f / 6 + 1e-5f), second = 1 / std::sqrt(19.0f / 6 + 1e-5f);
  expect_near(model.read(y), {-first, 0, first, 0, 3 * first, 4 * second, 5 * first, 4 * second},
              1e-6);
  // Constants by then: the gradient is that of a line.
  expect_near(model.gradient(x), {first, second, first, second, first, second, first, second},
              1e-6);
}

TEST(BatchNormTest, ARunningVarianceMayBeTheBiasedOneOfONNX) {
  ADJOINT_REQUIRE_DEVICE();
  // BatchNormalization-15 of ONNX, training_mode 1, momentum 0.75: running = running momentum +
  // current (1 - momentum), current_var over n. Variances of 1, 2, 3, 6 are 3.5 and, over 3, 14/3.
  for (const bool unbiased : {true, false}) {
    TestModel model;
    const Value x = model.input({4, 1});
    const Value y = batch_norm(x, {.momentum = 0.25, .affine = false, .unbiased = unbiased});
    model.compile({.outputs = {y}});
    upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 6});
    model.graph.forward();
    const auto& states = model.graph.states();
    expect_near(download<float>(model.context, states[0].tensor()), {0.75f}, 1e-6);
    const float variance = unbiased ? 14.0f / 3 : 3.5f;
    expect_near(download<float>(model.context, states[1].tensor()), {0.75f + 0.25f * variance},
                1e-6);
    // What is normalised by is biased in both.
    const float rstd = 1 / std::sqrt(3.5f + 1e-5f);
    expect_near(model.read(y), {-2 * rstd, -rstd, 0, 3 * rstd}, 1e-6);
  }
}

TEST(BatchNormTest, ARecipeNamesTheBiasedVariance) {
  Options options("layer 1");
  options.set("unbiased", false);
  const std::shared_ptr<Layer> layer = registered_layer("batch_norm").make(options);
  options.finish();
  EXPECT_EQ(layer->describe(), "batch_norm(biased running variance)");
  EXPECT_EQ(BatchNorm({.affine = false, .unbiased = false}).describe(),
            "batch_norm(not affine, biased running variance)");
  EXPECT_EQ(BatchNorm({.affine = false}).describe(), "batch_norm(not affine)");
  EXPECT_EQ(BatchNorm().describe(), "batch_norm");
}

TEST(BatchNormTest, AVarianceBeyondFloat32IsForgottenAgain) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({4, 1});
  const Value y = batch_norm(x, {.momentum = 0.5, .affine = false});
  model.compile({.outputs = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1e30f, 1e30f, 1e30f, -1e30f});
  model.graph.forward();
  expect_near(model.read(y), {0.577350269f, 0.577350269f, 0.577350269f, -1.732050808f}, 1e-6);
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 6});
  for (int i = 0; i < 200; ++i) model.graph.forward();
  const auto& states = model.graph.states();
  expect_near(download<float>(model.context, states[1].tensor()), {14.0f / 3}, 1e-5);
}

TEST(BatchNormTest, ABatchOfOneCanBeEvaluatedButNotTrainedWith) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({3, 2});
  const Value y = batch_norm(x);
  model.compile({.outputs = {y}});
  model.graph.set_batch(1);
  try {
    model.graph.forward();
    FAIL() << "trained with a batch of one";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("has no variance to train with"), std::string::npos)
        << error.message();
  }
  model.context.set_training(false);
  model.graph.forward();
}

TEST(BatchNormTest, RefusesBadOptionsAndInputs) {
  EXPECT_THROW(BatchNorm({.epsilon = 0}), Error);
  EXPECT_THROW(BatchNorm({.momentum = 1.5}), Error);
  EXPECT_THROW(BatchNorm({.channels = 3}).infer({{DType::float32, {2, 4}}}), Error);
  EXPECT_THROW(BatchNorm().infer({{DType::float32, {2}}}), Error);
  Options options("layer 1");
  options.set("momentum", -0.1);
  EXPECT_THROW(registered_layer("batch_norm").make(options), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
