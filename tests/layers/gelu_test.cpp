#include "layers/gelu.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

TEST(GELUTest, Values) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({1, 5}, true);
  const Value y = gelu(x);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{-2, -0.5f, 0, 1, 3});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 1, 1, 2, 1});
  model.step();
  // torch.nn.functional.gelu(x, approximate="tanh") and its gradient, in float64.
  expect_near(model.read(y), {-0.0454023059f, -0.15428599f, 0, 0.841191991f, 2.99636261f}, 1e-6);
  expect_near(model.gradient(x), {-0.0860992566f, 0.132630096f, 0.5f, 2.16592817f, 1.01158417f},
              1e-6);
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
