#include "layers/shapes/reshape.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(ReshapeTest, IsAViewBothWays) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 3, 4}, true);
  const Value y = reshape(x, {2, -1});
  model.compile({.outputs = {y}, .seeds = {y}, .reuse_memory = true});
  EXPECT_EQ(y.shape(), Shape({2, 2, 6}));
  EXPECT_EQ(model.graph.tensor(x).data(), model.graph.tensor(y).data());
  const auto before = device_counters();
  model.graph.forward();
  const auto after = device_counters();
  EXPECT_EQ(after.launches + after.copies, before.launches + before.copies);
}

TEST(ReshapeTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {2, 3, 4}};
  EXPECT_THROW(Reshape({-1, -1}), Error);
  EXPECT_THROW(Reshape({-2}), Error);
  EXPECT_THROW(Reshape({5, -1}).infer({x}), Error);
  EXPECT_THROW(Reshape({5}).infer({x}), Error);
  EXPECT_THROW(Reshape({0, -1}).infer({x}), Error);
  EXPECT_EQ(Reshape({12}).infer({x})[0].shape, Shape({2, 12}));
  EXPECT_EQ(Reshape({}).infer({{DType::int32, {5, 1}}})[0].shape, Shape({5}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
