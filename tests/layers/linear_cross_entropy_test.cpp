#include "layers/linear_cross_entropy.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
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

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
