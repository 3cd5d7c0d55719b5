// Pointwise layers at chosen points, kinks among them; each has a fixture besides
// (fixtures_test.cpp).
#include "layers/pointwise.h"

#include "layers/gelu.h"
#include "layers/relu.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

using Numbers = std::vector<float>;

struct Result {
  Numbers y, dx;
};

Result run(Value (*layer)(const Value&), const Numbers& x, const Numbers& dy) {
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

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
