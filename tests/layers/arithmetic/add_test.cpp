#include "layers/arithmetic/add.h"

#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(AddTest, AddsAndPassesItsGradientOnWithoutAKernel) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 3});
  const Value a = linear(x, 4), b = linear(x, 4);
  const Value y = add(a, b);
  model.compile({.outputs = {a, b, y}, .seeds = {y}, .rewrite = false});
  model.graph.forward();
  const auto left = model.read(a), right = model.read(b), sum = model.read(y);
  for (std::size_t i = 0; i < sum.size(); ++i) EXPECT_EQ(sum[i], left[i] + right[i]);

  TestModel shared;
  const Value x2 = shared.input({2, 3});
  const Value y2 = add(linear(x2, 4), linear(x2, 4));
  const Value z = linear(y2, 1);
  shared.compile({.outputs = {z}, .seeds = {z}, .rewrite = false, .reuse_memory = true});
  shared.graph.forward();
  const auto before = device_counters().launches;
  shared.graph.backward();
  EXPECT_EQ(device_counters().launches - before, 4u)
      << "two products for z, one for each of the others' weights, nothing for the addition";
}

TEST(AddTest, RefusesDifferentShapes) {
  EXPECT_THROW(Add().infer({{DType::float32, {2, 3}}, {DType::float32, {2, 4}}}), Error);
  EXPECT_THROW(Add().infer({{DType::float32, {2, 3}}, {DType::float64, {2, 3}}}), Error);
  EXPECT_THROW(Add().infer({{DType::float32, {2, 3}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
