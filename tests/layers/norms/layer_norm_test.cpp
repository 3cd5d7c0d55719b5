#include "layers/norms/layer_norm.h"

#include "layers/norms/rms_norm.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(LayerNormTest, AgreesWithPyTorch) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({2, 4}, true);
  const Value y = layer_norm(x);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{1, 2, 4, -3, 0.5f, 0.25f, -1, 8});
  upload(model.context, model.graph.parameters()[0].master(), std::vector<float>{1, -2, 0.5f, 3});
  upload(model.context, model.graph.parameters()[1].master(), std::vector<float>{0, 1, 2, -1});
  upload(model.context, model.graph.gradient(y), std::vector<float>{1, 0, 2, -1, 0.5f, 1, -1, 1});
  model.step();
  // torch.nn.functional.layer_norm(x, (4,), weight, bias, 1e-5) and its gradients, in float64.
  expect_near(model.read(y),
              {0, 0.215536063f, 2.58834795f, -5.70678362f, -0.405384533f, 1.95177238f, 1.58580276f,
               4.12899562f},
              1e-6);
  expect_near(model.gradient(x),
              {0.490289961f, -0.128229334f, -0.188572017f, -0.173488609f, 0.250336592f,
               -0.423404347f, 0.155983805f, 0.0170839499f},
              2e-6);
  const auto gradients = model.gradients();
  expect_near(gradients.at("layer_norm1.weight"),
              {-0.202692267f, -0.475886191f, 3.18178629f, 3.27859308f}, 1e-6);
  expect_near(gradients.at("layer_norm1.bias"), {1.5f, 1, 1, 0}, 1e-6);
}

TEST(LayerNormTest, RefusesWhatItCannotNormalise) {
  EXPECT_THROW(LayerNorm(-1), Error);
  EXPECT_THROW(LayerNorm(4, 0.0), Error);
  EXPECT_THROW(LayerNorm(4).infer({{DType::float32, {2, 5}}}), Error);
}

// 8192 rows are summed by 256 blocks, 8064 by 261.
TEST(LayerNormTest, ASmallerBatchMayTakeMoreBlocks) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({64, 128, 2}, true);
  const Value y = layer_norm(rms_norm(x));
  model.compile({.outputs = {y}, .seeds = {y}});
  model.graph.set_batch(63);
  upload(model.context, model.graph.gradient(y), std::vector<float>(63 * 128 * 2, 1.0f));
  model.step();
  expect_near(model.gradients().at("layer_norm1.bias"), {63 * 128, 63 * 128}, 1e-6);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
