#include "layers/arithmetic/axis_sum.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(AxisSumTest, AveragesImagesOverAllButTheBatch) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 2, 2}, true);
  const Value y = mean(x), z = sum(x, 1);
  model.compile({.outputs = {y, z}, .seeds = {y, z}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 6, 0, 0, 4, 4});
  upload(model.context, model.graph.gradient(y), std::vector<float>{4, 8});
  upload(model.context, model.graph.gradient(z), std::vector<float>{1, 2, 3, 4});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{3, 2}));
  EXPECT_EQ(model.read(z), (std::vector<float>{4, 8, 4, 4}));
  EXPECT_EQ(model.gradient(x), (std::vector<float>{2, 3, 2, 3, 5, 6, 5, 6}));
}

TEST(AxisSumTest, RefusesTheBatchAndMeansOfNothing) {
  const TensorType x{DType::float32, {2, 3, 0}};
  EXPECT_THROW(AxisSum(AxisSum::Form::sum, 0).infer({x}), Error);
  EXPECT_THROW(AxisSum(AxisSum::Form::sum, 3).infer({x}), Error);
  EXPECT_THROW(AxisSum(AxisSum::Form::mean, 2).infer({x}), Error);
  EXPECT_THROW(AxisSum(AxisSum::Form::mean).infer({x}), Error);
  EXPECT_EQ(AxisSum(AxisSum::Form::sum, -1).infer({x})[0].shape, Shape({2, 3}));
  EXPECT_EQ(AxisSum(AxisSum::Form::sum).infer({x})[0].shape, Shape({2}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
