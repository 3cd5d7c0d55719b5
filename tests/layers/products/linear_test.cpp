#include "layers/products/linear.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using LinearTest = DeviceTest;

TEST_F(LinearTest, ComputesXTimesWTransposedPlusB) {
  TestModel model;
  const Value x = model.input({2, 3});
  const Value y = linear(x, 2);
  model.compile({.outputs = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 4, 5, 6});
  upload(model.context, model.graph.parameters()[0].master(),
         std::vector<float>{1, 0, -1, 2, 1, 0});
  upload(model.context, model.graph.parameters()[1].master(), std::vector<float>{0.5f, -1});
  model.graph.forward();
  EXPECT_EQ(model.read(y), (std::vector<float>{-1.5f, 3, -1.5f, 12}));
}

TEST_F(LinearTest, ItsParametersAreNamedAndStartWithinTheBound) {
  TestModel model;
  const Value y = linear(linear(model.input({2, 100}), 50), 10);
  model.compile({.outputs = {y}, .rewrite = false});
  std::vector<std::string> names;
  for (const Parameter& parameter : model.graph.parameters()) {
    names.push_back(parameter.name());
    const float bound = parameter.name().starts_with("linear1") ? 0.1f : 1.0f / std::sqrt(50.0f);
    float largest = 0;
    for (float value : download<float>(model.context, parameter.master())) {
      EXPECT_LE(std::abs(value), bound) << parameter.name();
      largest = std::max(largest, std::abs(value));
    }
    EXPECT_GT(largest, 0.5f * bound) << parameter.name() << " does not fill its range";
  }
  EXPECT_EQ(names, (std::vector<std::string>{"linear1.weight", "linear1.bias", "linear2.weight",
                                             "linear2.bias"}));
}

TEST_F(LinearTest, WrongFeaturesNameBothLayers) {
  TestModel model;
  const Value h = linear(model.input({2, 8}), 5);
  try {
    model.graph.apply(Linear(7, 3), {h});
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(),
              "linear2 cannot take linear1 (float32 [2, 5]): Linear: expected 7 input features in "
              "the last "
              "axis, got 5");
  }
}

TEST_F(LinearTest, RefusesSenselessSizes) {
  EXPECT_THROW(Linear(0), Error);
  EXPECT_THROW(Linear(-3, 4), Error);
}

TEST_F(LinearTest, TiedWeightsAddTheirGradients) {
  TestModel tied;
  const Value x = tied.input({3, 4});
  const Linear layer(4, 4);
  const Value y = tied.graph.apply(Linear(layer), {tied.graph.apply(Linear(layer), {x})});
  tied.compile({.outputs = {y}, .seeds = {y}, .rewrite = false});
  ASSERT_EQ(tied.graph.parameters().size(), 2u);
  const std::vector<float> seed(12, 1.0f);
  upload(tied.context, tied.graph.gradient(y), seed);
  tied.step();

  TestModel apart;
  const Value x2 = apart.input({3, 4});
  const Value y2 = linear(linear(x2, 4), 4);
  apart.compile({.outputs = {y2}, .seeds = {y2}, .rewrite = false});
  for (std::size_t i = 0; i < 4; ++i)
    upload(apart.context, apart.graph.parameters()[i].master(),
           download<float>(tied.context, tied.graph.parameters()[i % 2].master()));
  upload(apart.context, apart.graph.gradient(y2), seed);
  apart.step();
  auto expected = apart.gradients();
  for (const char* name : {"weight", "bias"}) {
    std::vector<float> sum = expected[str("linear1.", name)];
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += expected[str("linear2.", name)][i];
    expect_near(tied.gradients()[str("linear1.", name)], sum, 1e-6, name);
  }
}

TEST_F(LinearTest, AFrozenWeightStillLetsTheBiasLearn) {
  TestModel model;
  const Value x = model.input({5, 4});
  Linear layer(4, 3);
  Parameter(layer.weight()).set_trainable(false);
  const Value y = model.graph.apply(layer, {x});
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.gradient(y), std::vector<float>(15, 2.0f));
  model.step();
  EXPECT_EQ(
      model.gradients(),
      (std::map<std::string, std::vector<float>>{{"linear1.bias", std::vector<float>(3, 10.0f)}}));
}

TEST_F(LinearTest, AFrozenBiasIsPreparedAsItRuns) {
  TestModel model;
  Linear layer(4, 3);
  Parameter(layer.bias()).set_trainable(false);
  const Value y = model.graph.apply(layer, {model.input({5, 4}, true)});
  model.compile({.outputs = {y}, .seeds = {y}});
  model.context.stream().begin_capture();
  model.step();
  EXPECT_EQ(model.context.stream().end_capture().operations().size(), 3u) << "y, dx, dW";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
