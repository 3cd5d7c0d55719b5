#include "layers/relu.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

TEST(ReLUTest, Values) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({1, 5}, true);
  const Value y = relu(x);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{-2, -0.5f, 0, 1, 3});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 1, 1, 2, 1});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{0, 0, 0, 1, 3}));
  EXPECT_EQ(model.gradient(x), (std::vector<float>{0, 0, 0, 2, 1}));
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
