#include "layers/shapes/permute.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(PermuteTest, TransposesTheLastTwoAxes) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({1, 2, 3}, true);
  const Value y = transpose(x);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 3, 4, 5, 6});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 2, 3, 4, 5, 6});
  model.step();
  EXPECT_EQ(y.shape(), Shape({1, 3, 2}));
  EXPECT_EQ(model.read(y), (std::vector<float>{1, 4, 2, 5, 3, 6}));
  EXPECT_EQ(model.gradient(x), (std::vector<float>{1, 3, 5, 2, 4, 6}));
}

TEST(PermuteTest, RefusesWhatIsNoPermutation) {
  EXPECT_THROW(Permute({}), Error);
  EXPECT_THROW(Permute({1, 0}), Error);
  EXPECT_THROW(Permute({0, 1, 1}), Error);
  EXPECT_THROW(Permute({0, 3, 1}), Error);
  EXPECT_THROW(Permute({0, 1}).infer({{DType::float32, {2, 3, 4}}}), Error);
  EXPECT_EQ(Permute({0, 2, 1}).describe(), "permute(0, 2, 1)");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
