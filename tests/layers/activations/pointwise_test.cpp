// Pointwise layers at chosen points, kinks among them; each has a fixture besides
// (fixtures_test.cpp).
#include "layers/activations/pointwise.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "layers/activations/activations.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Numbers = std::vector<float>;

struct Result {
  Numbers y, dx;
};

template <class Function>
Result run(const Function& layer, const Numbers& x, const Numbers& dy) {
  TestModel model;
  const Value input = model.input({1, std::int64_t(x.size())}, true);
  const Value output = layer(input);
  model.compile({.outputs = {output}, .seeds = {output}});
  upload(model.context, model.graph.tensor(input), x);
  upload(model.context, model.graph.gradient(output), dy);
  model.step();
  return {model.read(output), model.gradient(input)};
}

const Numbers kPoints = {-2, -0.5f, 0, 1, 3}, kGradients = {1, 1, 1, 2, 1};

TEST(GELUTest, Values) {
  ADJOINT_REQUIRE_DEVICE();
  const Result result = run(gelu, kPoints, kGradients);
  // torch.nn.functional.gelu(x, approximate="tanh") and its gradient, in float64.
  expect_near(result.y, {-0.0454023059f, -0.15428599f, 0, 0.841191991f, 2.99636261f}, 1e-6);
  expect_near(result.dx, {-0.0860992566f, 0.132630096f, 0.5f, 2.16592817f, 1.01158417f}, 1e-6);
}

TEST(ReLUTest, Values) {
  ADJOINT_REQUIRE_DEVICE();
  const Result result = run(relu, kPoints, kGradients);
  EXPECT_EQ(result.y, (Numbers{0, 0, 0, 1, 3}));
  EXPECT_EQ(result.dx, (Numbers{0, 0, 0, 2, 1}));
}

TEST(GELUTest, TheExactFormIsNotFusedAsTheOther) {
  ADJOINT_REQUIRE_DEVICE();
  for (bool exact : {false, true}) {
    TestModel model;
    const Value hidden = linear(model.input({4, 6}), 5);
    const Value y = linear(exact ? gelu_exact(hidden) : gelu(hidden), 3);
    model.compile({.outputs = {y}, .seeds = {y}});
    EXPECT_EQ(model.kinds().size(), exact ? 3u : 1u);
  }
}

TEST(PointwiseTest, DerivativesAtKinksAreThoseOfPyTorch) {
  ADJOINT_REQUIRE_DEVICE();
  const Numbers ones = {1, 1, 1};
  const auto relu6_at = run(relu6, {0, 6, 3}, ones);
  EXPECT_EQ(relu6_at.dx, (Numbers{0, 0, 1}));
  const auto clamp = [](const Value& x) { return hard_tanh(x, -1.0, 2.0); };
  const auto clamped = run(clamp, {-1, 2, 0.5f}, ones);
  EXPECT_EQ(clamped.y, (Numbers{-1, 2, 0.5f}));
  EXPECT_EQ(clamped.dx, (Numbers{0, 0, 1}));
  const auto leaky = run([](const Value& x) { return leaky_relu(x, 0.25); }, {0, -4, 4}, ones);
  EXPECT_EQ(leaky.y, (Numbers{0, -1, 4}));
  EXPECT_EQ(leaky.dx, (Numbers{0.25f, 0.25f, 1}));
}

TEST(PointwiseTest, OptionsOfRecipesAreChecked) {
  const auto make = [](const std::string& kind, const std::string& key, const OptionValue& value) {
    Options options("layer 1");
    if (!key.empty()) options.set(key, value);
    const auto layer = registered_layer(kind).make(options);
    options.finish();
    return layer->describe();
  };
  EXPECT_EQ(make("gelu", "", 0.0), "gelu");
  EXPECT_EQ(make("gelu", "approximate", std::string("none")), "gelu(exact)");
  EXPECT_EQ(make("leaky_relu", "slope", 0.2), "leaky_relu(0.2)");
  EXPECT_EQ(make("softplus", "beta", 2.0), "softplus(2, 20)");
  EXPECT_EQ(make("hard_tanh", "low", -2.0), "hard_tanh(-2, 1)");
  EXPECT_THROW(make("gelu", "approximate", std::string("erf")), Error);
  EXPECT_THROW(make("leaky_relu", "slope", -0.1), Error);
  EXPECT_THROW(make("elu", "alpha", std::nan("")), Error);
  EXPECT_THROW(make("softplus", "beta", 0.0), Error);
  EXPECT_THROW(make("hard_tanh", "low", 1.0), Error);
  EXPECT_THROW(make("silu", "slope", 1.0), Error);
  EXPECT_THROW(LeakyReLU(-1.0), Error);
  EXPECT_THROW(ELU(-1.0), Error);
  EXPECT_THROW(Softplus(0.0), Error);
  EXPECT_THROW(HardTanh(1.0, 1.0), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
