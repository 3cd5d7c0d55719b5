#include "layers/shapes/flatten.h"

#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(FlattenTest, IsAViewBothWays) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 3, 4}, true);
  const Value y = flatten(x);
  model.compile({.outputs = {y}, .seeds = {y}, .reuse_memory = true});
  EXPECT_EQ(y.shape(), Shape({2, 12}));
  EXPECT_EQ(model.graph.tensor(x).data(), model.graph.tensor(y).data());
  const auto before = device_counters();
  model.graph.forward();
  const auto after = device_counters();
  EXPECT_EQ(after.launches + after.copies, before.launches + before.copies);
}

TEST(FlattenTest, KeepsTheBatchAxis) {
  EXPECT_EQ(Flatten().infer({{DType::float32, {5}}})[0].shape, Shape({5, 1}));
  EXPECT_EQ(Flatten().infer({{DType::float32, {5, 0, 3}}})[0].shape, Shape({5, 0}));
  EXPECT_THROW(Flatten().infer({{DType::float32, {}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
