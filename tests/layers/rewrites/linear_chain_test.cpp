#include "layers/rewrites/linear_chain.h"

#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using LinearChainTest = DeviceTest;

struct Classifier {
  Classifier(bool rewrite, Value (*activation)(const Value&)) {
    const Value x = model.input({12, 20}, true);
    const Value label = model.labels({12}, 5);
    input = x;
    logits = linear(activation(linear(activation(linear(x, 16)), 8)), 5);
    loss = softmax_cross_entropy(logits, label);
    model.compile({.losses = {loss}, .outputs = {logits}, .rewrite = rewrite});
  }
  TestModel model;
  Value input, logits, loss;
};

TEST_F(LinearChainTest, TheRewriteChangesNothingButTheKernels) {
  for (auto activation : {&relu, &gelu}) {
    Classifier plain(false, activation), chained(true, activation);
    EXPECT_EQ(chained.model.kinds(),
              (std::vector<std::string>{"linear_chain", "softmax_cross_entropy"}));
    plain.model.step();
    chained.model.step();
    expect_near(chained.model.read(chained.logits), plain.model.read(plain.logits), 1e-5, "logits");
    expect_near(chained.model.read(chained.loss), plain.model.read(plain.loss), 1e-6, "loss");
    expect_near(chained.model.gradient(chained.input), plain.model.gradient(plain.input), 2e-5,
                "dx");
    expect_near(chained.model.gradients(), plain.model.gradients(), 2e-5);
  }
}

TEST_F(LinearChainTest, IsOneKernelALayerForwardAndTwoBackward) {
  Classifier chained(true, &relu);
  chained.model.step();
  const auto before = device_counters().launches;
  chained.model.graph.forward();
  const auto between = device_counters().launches;
  chained.model.graph.backward();
  const auto after = device_counters().launches;
  EXPECT_EQ(between - before, 4u) << "three products and the loss";
  EXPECT_EQ(after - between, 6u) << "two products a layer, activations and bias gradients inside";
}

TEST_F(LinearChainTest, StopsAtWhatOthersReadAndAtOtherLayers) {
  TestModel model;
  const Value x = model.input({4, 6});
  const Value read_twice = relu(linear(x, 6));
  const Value a = linear(read_twice, 3), b = linear(dropout(relu(linear(read_twice, 4)), 0.5f), 3);
  model.compile({.outputs = {a, b}});
  EXPECT_EQ(std::ranges::count(model.kinds(), "linear_chain"), 0);

  TestModel kept;
  const Value h = relu(linear(kept.input({4, 6}), 6));
  const Value y = linear(h, 3);
  kept.compile({.outputs = {h, y}});
  EXPECT_EQ(std::ranges::count(kept.kinds(), "linear_chain"), 0) << "the caller reads h";
}

TEST_F(LinearChainTest, IsListedWithWhatItTookIn) {
  Classifier chained(true, &relu);
  EXPECT_EQ(chained.model.graph.program().rewrites,
            (std::vector<std::string>{
                "linear_chain: linear1 to linear3: linear(16) + relu + linear(8) + relu + "
                "linear(5)"}));
}

TEST_F(LinearChainTest, ALayerAppliedAgainStaysOutside) {
  TestModel model;
  const Linear twice(6, 6);
  const Value h = relu(model.graph.apply(Linear(twice), {model.input({4, 6})}));
  const Value y = linear(relu(model.graph.apply(Linear(twice), {h})), 3);
  model.compile({.outputs = {y}, .seeds = {y}});
  EXPECT_EQ(model.kinds(), (std::vector<std::string>{"linear", "relu", "linear_chain"}));
  upload(model.context, model.graph.gradient(y), std::vector<float>(12, 1.0f));
  model.step();
  const auto first = model.gradients();
  upload(model.context, model.graph.gradient(y), std::vector<float>(12, 1.0f));
  model.step();
  EXPECT_EQ(model.gradients(), first) << "what the step before left is overwritten";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
