#include "layers/products/bilinear.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(BilinearTest, IsABilinearForm) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value a = model.input({1, 2}), b = model.input({1, 3});
  const Value y = bilinear(a, b, 1);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(a), std::vector<float>{1, 10});
  upload(model.context, model.graph.tensor(b), std::vector<float>{1, 2, 3});
  upload(model.context, model.graph.parameters()[0].master(), std::vector<float>{1, 2, 3, 4, 5, 6});
  upload(model.context, model.graph.parameters()[1].master(), std::vector<float>{0.5f});
  upload(model.context, model.graph.gradient(y), std::vector<float>{2});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{14 + 320 + 0.5f}));
  EXPECT_EQ(model.gradients().at("bilinear1.weight"), (std::vector<float>{2, 4, 6, 20, 40, 60}));
  EXPECT_EQ(model.gradients().at("bilinear1.bias"), (std::vector<float>{2}));
}

TEST(BilinearTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {2, 3}};
  EXPECT_THROW(Bilinear(0), Error);
  EXPECT_THROW(Bilinear(1).infer({x}), Error);
  EXPECT_THROW(Bilinear(1).infer({x, {DType::float32, {3, 3}}}), Error);
  EXPECT_EQ(Bilinear(4).infer({x, {DType::float32, {2, 7}}})[0].shape, Shape({2, 4}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
