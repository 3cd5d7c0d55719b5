#include "layers/shapes/concat.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(ConcatTest, PutsInputsOneBehindTheOther) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value a = model.input({2, 2}, true), b = model.input({2, 1});
  const Value y = concat({a, b, a}, 1);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(a), std::vector<float>{1, 2, 3, 4});
  upload(model.context, model.graph.tensor(b), std::vector<float>{5, 6});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{1, 2, 5, 1, 2, 3, 4, 6, 3, 4}));
  EXPECT_EQ(model.gradient(a), (std::vector<float>{1 + 4, 2 + 5, 6 + 9, 7 + 10}));
}

TEST(ConcatTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {2, 3, 4}};
  EXPECT_THROW(Concat(0).infer({x, x}), Error);
  EXPECT_THROW(Concat(3).infer({x, x}), Error);
  EXPECT_THROW(Concat(1).infer({}), Error);
  EXPECT_THROW(Concat(1).infer({x, {DType::float32, {2, 3, 5}}}), Error);
  EXPECT_THROW(Concat(1).infer({x, {DType::bfloat16, {2, 3, 4}}}), Error);
  EXPECT_EQ(Concat(-1).infer({x, {DType::float32, {2, 3, 0}}})[0].shape, Shape({2, 3, 4}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
