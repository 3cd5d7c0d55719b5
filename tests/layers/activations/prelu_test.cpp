#include "layers/activations/prelu.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(PReLUTest, HasOneSlopeOrOneAChannel) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 2}, true);
  const Value y = prelu(x), z = prelu(x, true);
  model.compile({.outputs = {y, z}, .seeds = {y, z}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{-4, 8, 0, -2});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 1, 1, 1});
  upload(model.context, model.graph.gradient(z), std::vector<float>{1, 2, 3, 4});
  model.step();
  EXPECT_EQ(model.read(y), (std::vector<float>{-1, 8, 0, -0.5f}));
  EXPECT_EQ(model.read(z), model.read(y));
  EXPECT_EQ(model.gradients().at("prelu1.slope"), (std::vector<float>{-6}));
  EXPECT_EQ(model.gradients().at("prelu2.slope"), (std::vector<float>{-4, -8}));
  EXPECT_EQ(model.gradient(x), (std::vector<float>{0.5f, 3, 1, 1.25f}));
}

TEST(PReLUTest, RefusesWhatHasNoChannels) {
  EXPECT_THROW(PReLU(true).infer({{DType::float32, {2}}}), Error);
  EXPECT_THROW(PReLU().infer({{DType::int32, {2, 3}}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
