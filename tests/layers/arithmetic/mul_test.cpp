#include "layers/arithmetic/mul.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(MulTest, ASquareHasBothGradients) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({1, 3}, true);
  const Value y = mul(x, x);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, -2, 3});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 1, 0.5f});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{1, 4, 9}));
  EXPECT_EQ(model.gradient(x), (std::vector<float>{2, -4, 3}));
}

TEST(MulTest, RefusesInputsThatDiffer) {
  const TensorType x{DType::float32, {2, 3}};
  EXPECT_THROW(Mul().infer({x}), Error);
  EXPECT_THROW(Mul().infer({x, {DType::float32, {2, 1}}}), Error);
  EXPECT_THROW(Mul().infer({x, {DType::bfloat16, {2, 3}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
