#include "layers/rewrites/linear_cross_entropy.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

TEST(LinearCrossEntropyTest, TheRewriteChangesNothingButTheMemory) {
  ADJOINT_REQUIRE_DEVICE();
  struct Head {
    explicit Head(bool rewrite) {
      const Value x = model.input({9, 6}, true);
      input = x;
      loss = softmax_cross_entropy(linear(linear(x, 6), 2100), model.labels({9}, 2100));
      model.compile({.losses = {loss}, .rewrite = rewrite});
      model.step();
    }
    TestModel model;
    Value input, loss;
  };
  Head plain(false), fused(true);
  EXPECT_EQ(fused.model.kinds(), (std::vector<std::string>{"linear", "linear_cross_entropy"}));
  expect_near(fused.model.read(fused.loss), plain.model.read(plain.loss), 1e-5);
  expect_near(fused.model.gradient(fused.input), plain.model.gradient(plain.input), 1e-5);
  expect_near(fused.model.gradients(), plain.model.gradients(), 1e-5);
}

TEST(LinearCrossEntropyTest, LeavesSmallHeadsAndReadLogitsAlone) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel small;
  const Value loss = softmax_cross_entropy(linear(small.input({4, 6}), 10), small.labels({4}, 10));
  small.compile({.losses = {loss}});
  EXPECT_EQ(small.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));

  TestModel read;
  const Value logits = linear(read.input({4, 6}), 2100);
  const Value total = softmax_cross_entropy(logits, read.labels({4}, 2100));
  read.compile({.losses = {total}, .outputs = {logits}});
  EXPECT_EQ(read.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));
}

TEST(LinearCrossEntropyTest, OneThatIsNoLossIsOnlyLookedAt) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  const Value x = model.input({4, 6});
  const Value loss = softmax_cross_entropy(linear(x, 3), model.labels({4}, 3));
  const Value seen = softmax_cross_entropy(linear(x, 2100), model.labels({4}, 2100));
  model.compile(
      {.losses = {loss}, .outputs = {seen}, .unused_parameters = UnusedParameters::allow});
  model.step();
  EXPECT_GT(model.read(seen)[0], 0.0f);
  const auto gradients = model.gradients();
  EXPECT_EQ(gradients.at("linear2.weight"), std::vector<float>(2100 * 6));
  EXPECT_NE(gradients.at("linear1.weight"), std::vector<float>(3 * 6));
}

TEST(LinearCrossEntropyTest, LeavesABiasThatLearnsAloneApart) {
  ADJOINT_REQUIRE_DEVICE();
  TestModel model;
  Linear head(6, 2100);
  Parameter(head.weight()).set_trainable(false);
  const Value logits = model.graph.apply(head, {model.input({4, 6})});
  const Value loss = softmax_cross_entropy(logits, model.labels({4}, 2100));
  model.compile({.losses = {loss}});
  EXPECT_EQ(model.kinds(), (std::vector<std::string>{"linear", "softmax_cross_entropy"}));
  model.step();
  EXPECT_NE(model.gradients().at("linear1.bias"), std::vector<float>(2100));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
