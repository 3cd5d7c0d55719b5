#include "layers/shapes/split.h"

#include "layers/shapes/concat.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(SplitTest, UndoesConcat) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({3, 7}, true);
  const std::vector<Value> parts = split(x, 1, {2, 4, 1});
  const Value y = concat(parts, -1);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.gradient(y), model.read(x));
  model.step();
  EXPECT_EQ(model.read(y), model.read(x));
  EXPECT_EQ(model.gradient(x), model.read(x));
}

TEST(SplitTest, PartsThatNobodyUsedHaveNoGradient) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({1, 4}, true);
  const Value y = split(x, 1, {1, 2, 1})[1];
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.gradient(y), std::vector<float>{3, 4});
  model.step();
  EXPECT_EQ(model.gradient(x), (std::vector<float>{0, 3, 4, 0}));
}

TEST(SplitTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {2, 3, 4}};
  EXPECT_THROW(Split(1, {}), Error);
  EXPECT_THROW(Split(1, {4, -1}), Error);
  EXPECT_THROW(Split(1, {1, 1}).infer({x}), Error);
  EXPECT_THROW(Split(0, {1, 1}).infer({x}), Error);
  EXPECT_EQ(Split(-1, {0, 4}).infer({x})[0].shape, Shape({2, 3, 0}));
}

TEST(SliceTest, CountsFromTheBack) {
  const TensorType x{DType::float32, {2, 5}};
  EXPECT_EQ(Slice(1, 1, -1).infer({x})[0].shape, Shape({2, 3}));
  EXPECT_EQ(Slice(-1, -2).infer({x})[0].shape, Shape({2, 2}));
  EXPECT_THROW(Slice(1, 3, 2).infer({x}), Error);
  EXPECT_THROW(Slice(1, 0, 6).infer({x}), Error);
  EXPECT_THROW(Slice(0, 0, 1).infer({x}), Error);
  EXPECT_EQ(Slice(1, 2).describe(), "slice(axis 1, 2:)");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
