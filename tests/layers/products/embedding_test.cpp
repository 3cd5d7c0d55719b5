#include "layers/products/embedding.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(EmbeddingTest, ReportsIndicesOutOfRange) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.labels({2, 3}, 4);
  const Value y = embedding(x, 4, 5);
  model.compile({.outputs = {y}});
  EXPECT_EQ(y.shape(), Shape({2, 3, 5}));
  model.graph.forward();
  model.graph.verify();
  upload(model.context, model.graph.tensor(x), std::vector<std::int32_t>{0, 1, 2, 3, 4, -1});
  model.graph.forward();
  try {
    model.graph.verify();
    FAIL() << "accepted index 4 of a vocabulary of 4";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("position 4"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("index 4; expected 0 to 3"), std::string::npos);
  }
  upload(model.context, model.graph.tensor(x), std::vector<std::int32_t>(6, 3));
  model.graph.forward();
  model.graph.verify();
}

TEST(EmbeddingTest, ComputesInTheTypeOfTheGraph) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value y = linear(embedding(model.labels({4}, 3), 3, 8), 2);
  model.compile({.outputs = {y}, .seeds = {y}, .compute_type = DType::bfloat16});
  EXPECT_EQ(y.type().dtype, DType::bfloat16);
  model.step();
}

TEST(EmbeddingTest, RefusesBadOptionsAndInputs) {
  EXPECT_THROW(Embedding(0, 4), Error);
  EXPECT_THROW(Embedding(4, 0), Error);
  EXPECT_THROW(Embedding({.vocabulary = 4, .width = 4, .padding = 4}), Error);
  EXPECT_THROW(Embedding(4, 4).infer({{DType::float32, {2}}}), Error);
  Options options("layer 1");
  options.set("vocabulary", std::int64_t{5});
  EXPECT_THROW(registered_layer("embedding").make(options), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
