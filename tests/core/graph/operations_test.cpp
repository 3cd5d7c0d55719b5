// Multiply-adds of the passes: what bench divides by time. Rewrites change none of them.
#include <gtest/gtest.h>

#include "layers/activations/activations.h"
#include "layers/arithmetic/add.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/norms/layer_norm.h"
#include "layers/products/bilinear.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using OperationsTest = DeviceTest;

constexpr std::int64_t kBatch = 16;

struct Counted {
  std::int64_t forward = 0, backward = 0, early = 0;
  bool operator==(const Counted&) const = default;
};

template <class Record>
Counted counted(bool rewrite, const std::string& expected_kind, const Record& record) {
  TestModel model;
  CompileOptions options = record(model);
  options.rewrite = rewrite;
  model.compile(options);
  const auto kinds = model.kinds();
  EXPECT_EQ(std::ranges::find(kinds, expected_kind) != kinds.end(), rewrite) << expected_kind;
  return {model.graph.forward_multiply_adds(), model.graph.backward_multiply_adds(),
          model.graph.early_multiply_adds()};
}

CompileOptions mnist_mlp(TestModel& model, bool wants_gradient) {
  Value h = model.input({kBatch, 784}, wants_gradient);
  for (int i = 0; i < 2; ++i) h = relu(linear(h, 512));
  return {.losses = {softmax_cross_entropy(linear(h, 10), model.labels({kBatch}, 10))}};
}

TEST_F(OperationsTest, OfMnistMlpAreCountedLayerByLayerRewrittenOrNot) {
  const std::int64_t first = kBatch * 784 * 512, rest = kBatch * (512 * 512 + 512 * 10);
  for (const bool rewrite : {false, true}) {
    const Counted n =
        counted(rewrite, "linear_chain", [](TestModel& model) { return mnist_mlp(model, false); });
    EXPECT_EQ(n.forward, first + rest);
    EXPECT_EQ(n.backward, first + 2 * rest) << "no gradient of the image";
    EXPECT_NEAR(double(n.backward) / double(n.forward), 1.40, 0.005);
    EXPECT_EQ(n.early, 0);
    const Counted all =
        counted(rewrite, "linear_chain", [](TestModel& model) { return mnist_mlp(model, true); });
    EXPECT_EQ(all.backward, 2 * (first + rest));
  }
}

TEST_F(OperationsTest, OfLinearCrossEntropyAreThoseOfItsParts) {
  const auto record = [](TestModel& model) {
    const Value h = linear(model.input({kBatch, 6}), 8);
    const Value loss = softmax_cross_entropy(linear(h, 2048), model.labels({kBatch}, 2048));
    return CompileOptions{.losses = {loss}};
  };
  const Counted plain = counted(false, "linear_cross_entropy", record),
                fused = counted(true, "linear_cross_entropy", record);
  const std::int64_t head = kBatch * 8 * 2048, first = kBatch * 6 * 8;
  EXPECT_EQ(plain, (Counted{head + first, 2 * head + first, 0}));
  EXPECT_EQ(fused, (Counted{head + first, 2 * head + first, 2 * head}))
      << "its gradients are made while forward runs";
}

TEST_F(OperationsTest, OfAddAndNormAreNone) {
  const auto record = [](TestModel& model) {
    const Value x = model.input({kBatch, 6});
    return CompileOptions{.losses = {linear(layer_norm(add(linear(x, 6), x)), 3)}};
  };
  const Counted expected{kBatch * (36 + 18), kBatch * (36 + 2 * 18), 0};
  EXPECT_EQ(counted(false, "add_layer_norm", record), expected);
  EXPECT_EQ(counted(true, "add_layer_norm", record), expected);
}

TEST_F(OperationsTest, OfFrozenWeightsAreTheProductsThatAreMade) {
  TestModel model;
  const auto frozen = std::make_shared<Linear>(6, 5);
  Parameter(frozen->weight()).set_trainable(false);  // its bias learns, without a product
  const Value h = linear(model.input({kBatch, 4}), 6);
  const Value y = linear(model.graph.apply(frozen, {h})[0], 3);
  model.compile({.losses = {y}});
  EXPECT_EQ(model.graph.forward_multiply_adds(), kBatch * (4 * 6 + 6 * 5 + 5 * 3));
  EXPECT_EQ(model.graph.backward_multiply_adds(), kBatch * (4 * 6 + 6 * 5 + 2 * 5 * 3));
}

TEST_F(OperationsTest, OfBilinearAreOfPairs) {
  TestModel model;
  const Value a = model.input({kBatch, 4}, true), b = model.input({kBatch, 5});
  model.compile({.losses = {bilinear(a, b, 3)}});
  const std::int64_t pairs = kBatch * 4 * 5;
  EXPECT_EQ(model.graph.forward_multiply_adds(), pairs + 3 * pairs);
  EXPECT_EQ(model.graph.backward_multiply_adds(), 3 * pairs + 3 * pairs + pairs);
}

TEST_F(OperationsTest, OfRecomputedLayersCountTwice) {
  TestModel model;
  const Value x = model.input({kBatch, 4});
  const Value h = relu(linear(x, 6)), y = relu(linear(h, 5));
  model.compile({.losses = {linear(y, 3)}, .recompute = every_block({h, y}), .rewrite = false});
  EXPECT_EQ(model.graph.forward_multiply_adds(), kBatch * (24 + 30 + 15));
  EXPECT_EQ(model.graph.backward_multiply_adds(), kBatch * (24 + 60 + 30) + kBatch * 30);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
