#include "layers/losses/cosine_embedding.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using CosineEmbeddingTest = DeviceTest;
using Numbers = std::vector<float>;

TEST_F(CosineEmbeddingTest, PairsAlikeAndUnlike) {
  TestModel model;
  const Value a = model.input({3, 2}, true), b = model.input({3, 2}), label = model.labels({3}, 1);
  const Value loss = cosine_embedding(a, b, label, {.margin = 0.25});
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.tensor(a), Numbers{1, 0, 2, 0, 0, 3});
  upload(model.context, model.graph.tensor(b), Numbers{0, 4, 3, 0, 0, 1});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{1, -1, 1});
  model.step();
  expect_near(model.read(loss), Numbers{1 + 0.75f, 3, 1}, 1e-6);
  expect_near(model.gradient(a), Numbers{0, -1, 0, 0, 0, 0}, 1e-6);
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{1, 0, 1});
  model.step();
  EXPECT_THROW(model.graph.verify(), Error);
}

TEST_F(CosineEmbeddingTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {4, 3}};
  EXPECT_THROW(CosineEmbeddingLoss().infer({x}), Error);
  EXPECT_THROW(CosineEmbeddingLoss().infer({x, {DType::float32, {4, 2}}}), Error);
  EXPECT_THROW(CosineEmbeddingLoss().infer({x, x, {DType::int32, {4, 3}}}), Error);
  EXPECT_THROW(CosineEmbeddingLoss({.margin = 2}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
