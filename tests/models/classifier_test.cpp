// A classifier trained for some steps: it learns, repeats bit for bit, does not depend on the plan,
// and its captured step equals the plain one.
#include <gtest/gtest.h>

#include "core/graph/sequential.h"
#include "layers/activations/activations.h"
#include "layers/activations/dropout.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/norms/layer_norm.h"
#include "layers/products/linear.h"
#include "layers/shapes/flatten.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using ClassifierTest = DeviceTest;

struct Classifier {
  explicit Classifier(CompileOptions options = {}, std::int64_t batch = 24) {
    image = model.input({batch, 1, 6, 6});
    label = model.labels({batch}, 4);
    const Sequential layers(Flatten(), Linear(36, 32), ReLU(), Linear(32, 24), LayerNorm(), GELU(),
                            Dropout(0.1f), Linear(24, 4));
    logits = model.graph.apply(layers, {image});
    loss = softmax_cross_entropy(logits, label);
    options.losses = {loss};
    options.outputs = {logits};
    model.compile(options);
    optimizer = std::make_unique<AdamW>(model.context, model.graph.slab(),
                                        AdamWOptions{.learning_rate = 3e-3},
                                        OptimizerOptions{.clip_norm = 1.0});
  }
  void step() {
    model.step();
    optimizer->step(model.graph.tensor(loss));
  }
  std::vector<float> parameters() {
    return download<float>(model.context, model.graph.slab().master);
  }
  double mean_loss() {
    const auto totals = model.read(loss);
    return totals[0] / totals[1];
  }

  TestModel model;
  Value image, label, logits, loss;
  std::unique_ptr<AdamW> optimizer;
};

TEST_F(ClassifierTest, LearnsItsBatchByHeart) {
  Classifier classifier;
  classifier.model.graph.forward();
  const double before = classifier.mean_loss();
  for (int i = 0; i < 120; ++i) classifier.step();
  classifier.model.context.set_training(false);
  classifier.model.graph.forward();
  EXPECT_LT(classifier.mean_loss(), 0.1 * before);
  EXPECT_EQ(classifier.model.read(classifier.loss)[2], 24) << "samples predicted right";
}

TEST_F(ClassifierTest, LearnsInSixteenBits) {
  for (DType type : {DType::bfloat16, DType::float16}) {
    Classifier classifier({.compute_type = type});
    EXPECT_EQ(classifier.model.graph.program().nodes[0].layer->describe(),
              str("cast(", name(type), ")"));
    const ParameterSlab slab = classifier.model.graph.slab();
    EXPECT_EQ(slab.master.dtype(), DType::float32);
    EXPECT_EQ(slab.compute.dtype(), type);
    for (int i = 0; i < 150; ++i) classifier.step();
    classifier.model.context.set_training(false);
    classifier.model.graph.forward();
    EXPECT_EQ(classifier.model.read(classifier.loss)[2], 24) << name(type);
  }
}

TEST_F(ClassifierTest, RefusesToAccumulateInSixteenBitsUnlessToldAtCompileTime) {
  Classifier classifier({.compute_type = DType::bfloat16});
  EXPECT_THROW(classifier.model.graph.set_accumulating(true), Error);
}

// 512 micro-steps of one gradient: a bfloat16 sum would stop growing at 256 of them.
TEST_F(ClassifierTest, AccumulatesSixteenBitGradientsInFloat32) {
  for (DType type : {DType::bfloat16, DType::float16}) {
    Classifier classifier({.compute_type = type, .accumulate = true});
    Graph& graph = classifier.model.graph;
    ASSERT_EQ(graph.slab().gradient.dtype(), DType::float32);
    classifier.model.step();
    const auto once = download<float>(classifier.model.context, graph.slab().gradient);
    graph.set_accumulating(true);
    for (int i = 1; i < 512; ++i) classifier.model.step();
    auto expected = once;
    for (float& value : expected) value *= 512;
    EXPECT_EQ(download<float>(classifier.model.context, graph.slab().gradient), expected);
    graph.set_accumulating(false);
    classifier.model.step();
    EXPECT_EQ(download<float>(classifier.model.context, graph.slab().gradient), once);
  }
}

TEST_F(ClassifierTest, RepeatsBitForBit) {
  Classifier a, b;
  for (int i = 0; i < 5; ++i) {
    a.step();
    b.step();
  }
  EXPECT_EQ(a.parameters(), b.parameters());
}

TEST_F(ClassifierTest, ThePlanChangesNothing) {
  Classifier packed({.reuse_memory = true}), separate({.reuse_memory = false});
  for (int i = 0; i < 5; ++i) {
    packed.step();
    separate.step();
  }
  EXPECT_EQ(packed.parameters(), separate.parameters());
  EXPECT_LT(packed.model.graph.plan().arena_bytes, separate.model.graph.plan().arena_bytes);
}

TEST_F(ClassifierTest, RewritesChangeRoundingAlone) {
  Classifier plain({.rewrite = false}), rewritten;
  plain.step();
  rewritten.step();
  expect_near(rewritten.model.gradients(), plain.model.gradients(), 1e-4);
}

TEST_F(ClassifierTest, ThreeReplaysEqualThreePlainSteps) {
  Classifier plain, captured;
  plain.step();
  captured.step();
  for (int i = 0; i < 3; ++i) plain.step();
  Stream& stream = captured.model.context.stream();
  stream.synchronize();
  stream.begin_capture();
  captured.step();
  const CapturedWork work = stream.end_capture();
  for (int i = 0; i < 3; ++i) work.replay(stream);
  EXPECT_EQ(plain.parameters(), captured.parameters())
      << "dropout, moments and the rate move on in replays";
}

TEST_F(ClassifierTest, StepsAllocateNothingAndWaitForNothing) {
  Classifier classifier;
  classifier.step();
  classifier.model.context.stream().synchronize();
  const DeviceCounters before = device_counters();
  for (int i = 0; i < 3; ++i) classifier.step();
  const DeviceCounters after = device_counters();
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.synchronizations, before.synchronizations);
}

// A batch in two halves, gradients accumulated, is the whole batch: exactly the same sums, in
// another order.
TEST_F(ClassifierTest, AccumulatedHalvesEqualTheWholeBatch) {
  struct Net {
    explicit Net(std::int64_t batch) {
      x = model.input({batch, 10});
      label = model.labels({batch}, 3);
      loss = softmax_cross_entropy(linear(gelu(linear(x, 16)), 3), label);
      model.compile({.losses = {loss}});
      optimizer = std::make_unique<Sgd>(model.context, model.graph.slab(),
                                        SgdOptions{.learning_rate = 0.1, .momentum = 0.9});
    }
    TestModel model;
    Value x, label, loss;
    std::unique_ptr<Sgd> optimizer;
  };
  Net whole(8), halves(4);
  upload(halves.model.context, halves.model.graph.slab().master,
         download<float>(whole.model.context, whole.model.graph.slab().master));
  const auto x = whole.model.read(whole.x);
  const auto labels =
      download<std::int32_t>(whole.model.context, whole.model.graph.tensor(whole.label));
  whole.model.step();
  whole.optimizer->step(whole.model.graph.tensor(whole.loss));
  for (std::size_t half = 0; half < 2; ++half) {
    upload(halves.model.context, halves.model.graph.tensor(halves.x),
           std::vector<float>(x.begin() + std::ptrdiff_t(half * 40),
                              x.begin() + std::ptrdiff_t(half * 40 + 40)));
    upload(halves.model.context, halves.model.graph.tensor(halves.label),
           std::vector<std::int32_t>(labels.begin() + std::ptrdiff_t(half * 4),
                                     labels.begin() + std::ptrdiff_t(half * 4 + 4)));
    halves.model.graph.set_accumulating(half == 1);
    halves.model.step();
    if (half == 0)
      halves.optimizer->accumulate(halves.model.graph.tensor(halves.loss));
    else
      halves.optimizer->step(halves.model.graph.tensor(halves.loss));
  }
  expect_near(download<float>(halves.model.context, halves.model.graph.slab().master),
              download<float>(whole.model.context, whole.model.graph.slab().master), 1e-6);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
