// What cannot learn is refused by name when a graph is compiled: gradients that would have to pass
// through a layer without backward, and parameters that none reaches.
#include <gtest/gtest.h>

#include "layers/losses/regression_losses.h"
#include "layers/products/embedding.h"
#include "layers/products/linear.h"
#include "layers/shapes/split.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using NoGradient = DeviceTest;

/// A rounding that has no derivative, written without backward.
class Round : public LayerOf<Round> {
 public:
  explicit Round(DType made = DType::float32) : made_(made) {}
  std::string kind() const override { return "round"; }
  Signature infer(const Signature& x) const override { return {{made_, x.at(0).shape}}; }
  void forward(Context& context, const ForwardCall& call) override {
    fill_bytes(context.stream(), call.y[0].data(), 0, call.y[0].bytes());
  }

 private:
  DType made_;
};

TEST_F(NoGradient, ALayerThatDoesNotOverrideBackwardHasNone) {
  Context context;
  Round round;
  EXPECT_FALSE(round.has_backward());
  EXPECT_TRUE(Linear(3).has_backward());
  expect_error([&] { round.backward(context, {}); }, {"round: it has no backward"});
}

TEST_F(NoGradient, NoneCanPassThroughALayerWithoutBackward) {
  TestModel lost, seeded;
  const Value x = lost.input({2, 3});
  const Value y = lost.graph.apply(Round(), {linear(x, 4)}, "rounded");
  expect_error(
      [&] {
        lost.compile({.losses = {mse(y, lost.input({2, 4}))}});
      },
      {"rounded (round) has no backward", "set_trainable(false)", "give the layer"});
  const Value z = seeded.graph.apply(Round(), {linear(seeded.input({2, 3}), 4)});
  expect_error([&] { seeded.compile({.seeds = {z}}); }, {"round1 (round) has no backward"});
}

TEST_F(NoGradient, WhereNoneIsNeededItMayStandAnywhere) {
  TestModel before, beside, only_forward;
  const Value x = before.graph.apply(Round(), {before.input({2, 3})});
  before.compile({.losses = {mse(linear(x, 4), before.input({2, 4}))}});
  const Value h = linear(beside.input({2, 3}), 4);
  const Value side = beside.graph.apply(Round(), {h});
  beside.compile({.losses = {mse(h, beside.input({2, 4}))}, .outputs = {side}});
  beside.step();
  const Value y = only_forward.graph.apply(Round(), {linear(only_forward.input({2, 3}), 4)});
  only_forward.compile({.outputs = {y}});
}

TEST_F(NoGradient, FrozenParametersBehindItAreFine) {
  TestModel model;
  const auto frozen = std::make_shared<Linear>(4);
  Parameter(frozen->weight()).set_trainable(false);
  Parameter(frozen->bias()).set_trainable(false);
  const Value h = model.graph.apply(frozen, {model.input({2, 3})})[0];
  const Value y = linear(model.graph.apply(Round(), {h}), 4);
  model.compile({.losses = {mse(y, model.input({2, 4}))}});
  EXPECT_EQ(model.gradients().size(), 2u);
}

TEST_F(NoGradient, ParametersThatNoneReachesAreRefusedByName) {
  const auto compile = [](UnusedParameters unused, bool trainable) {
    TestModel model;
    const Value h = linear(model.input({2, 3}), 4);
    const auto side = std::make_shared<Linear>(5);
    Parameter(side->weight()).set_trainable(trainable);
    Parameter(side->bias()).set_trainable(trainable);
    const Value unread = model.graph.apply(side, {h}, "side")[0];
    model.compile({.losses = {mse(h, model.input({2, 4}))},
                   .outputs = {unread},
                   .unused_parameters = unused});
    model.step();
    return model.gradients();
  };
  expect_error([&] { compile(UnusedParameters::refuse, true); },
               {"no gradient reaches side.weight, side.bias", "set_trainable(false)",
                "unused_parameters = allow"});
  EXPECT_EQ(compile(UnusedParameters::refuse, false).size(), 2u);
  const auto gradients = compile(UnusedParameters::allow, true);
  EXPECT_EQ(gradients.at("side.bias"), std::vector<float>(5));
}

TEST_F(NoGradient, TiedParametersLearnByAnyOfTheirLayers) {
  TestModel model;
  const Value x = model.input({2, 3});
  const auto layer = std::make_shared<Linear>(3);
  const Value h = model.graph.apply(layer, {x})[0];
  model.graph.apply(layer, {h});  // nobody reads it
  model.compile({.losses = {mse(h, model.input({2, 3}))}});
}

TEST_F(NoGradient, OfWholeNumbersThereIsNone) {
  TestModel model;
  const Value index = model.graph.apply(Round(DType::int32), {linear(model.input({2, 3}), 4)});
  const Value y = embedding(index, 6, 2);
  expect_error(
      [&] {
        model.compile({.losses = {mse(y, model.input({2, 4, 2}))}});
      },
      {"no gradient reaches linear1.weight, linear1.bias"});
}

TEST_F(NoGradient, WithoutLossesSeedsMayComeLater) {
  TestModel model;
  const Value h = linear(model.input({2, 3}), 4);
  const Value side = linear(h, 2);
  model.compile({.outputs = {side}, .seeds = {h}});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
