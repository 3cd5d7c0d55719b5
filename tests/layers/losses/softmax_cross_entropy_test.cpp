#include "layers/losses/softmax_cross_entropy.h"

#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using CrossEntropyTest = DeviceTest;

struct Loss {
  explicit Loss(const CrossEntropyOptions& options, std::vector<float> logits,
                std::vector<std::int32_t> labels, std::int64_t classes) {
    const auto rows = std::int64_t(labels.size());
    x = model.input({rows, classes}, true);
    const Value label = model.labels({rows}, 1);
    totals = softmax_cross_entropy(x, label, options);
    model.compile({.losses = {totals}});
    upload(model.context, model.graph.tensor(x), logits);
    upload(model.context, model.graph.tensor(label), labels);
    model.step();
  }
  TestModel model;
  Value x, totals;
};

TEST_F(CrossEntropyTest, AgreesWithPyTorchAndIsStableForLargeLogits) {
  Loss loss({.label_smoothing = 0.1}, {1, 2, 0.5f, -1, 0, 3, 10000, -10000, 0}, {1, 0, 0}, 3);
  // torch.nn.functional.cross_entropy(x, labels, reduction="sum", label_smoothing=0.1), in float64.
  expect_near(loss.model.read(loss.totals), {1004.44692f, 3, 2}, 1e-6);
  expect_near(loss.model.gradient(loss.x),
              {0.197890564f, -0.304801614f, 0.10691105f, -0.916185508f, 0.0132792892f, 0.902906219f,
               0.0666666667f, -0.0333333333f, -0.0333333333f},
              1e-6);
}

// Logits of -infinity, as a mask makes them, where what they are multiplied by is 0.
TEST_F(CrossEntropyTest, WhatWeighsNothingMayBeImpossible) {
  const float none = -INFINITY;
  Loss weightless({.class_weights = {0, 1, 1}}, {none, 0, 1}, {0}, 3);
  EXPECT_EQ(weightless.model.read(weightless.totals)[0], 0);
  EXPECT_EQ(weightless.model.gradient(weightless.x), (std::vector<float>{0, 0, 0}));
  Loss masked({}, {none, 0, 0}, {1}, 3);
  expect_near({masked.model.read(masked.totals)[0]}, {std::log(2.0f)}, 1e-6);
  expect_near(masked.model.gradient(masked.x), {0, -0.5f, 0.5f}, 1e-6);
  // All of it smoothed away: the loss is infinite as PyTorch's is, not NaN.
  Loss smooth({.label_smoothing = 1}, {none, 0, 0}, {0}, 3);
  EXPECT_EQ(smooth.model.read(smooth.totals)[0], INFINITY);

  TestModel model;
  const Value x = model.input({1, 3}, true), target = model.input({1, 3}, true);
  const Value soft = softmax_cross_entropy(x, target, {.class_weights = {0, 1, 1}});
  model.compile({.losses = {soft}});
  upload(model.context, model.graph.tensor(x), std::vector<float>{none, 0, 0});
  upload(model.context, model.graph.tensor(target), std::vector<float>{0.5f, 0.5f, 0});
  model.step();
  expect_near({model.read(soft)[0]}, {0.5f * std::log(2.0f)}, 1e-6);
  expect_near(model.gradient(x), {0, -0.25f, 0.25f}, 1e-6);
  expect_near(model.gradient(target), {0, std::log(2.0f), std::log(2.0f)}, 1e-6);
}

// 1 - 0.999 is 0.00100001287 where 0.999 is rounded to float32 before the difference.
TEST_F(CrossEntropyTest, AlmostAllSmoothedKeepsItsDigits) {
  for (const bool weighted : {false, true}) {
    CrossEntropyOptions options{.label_smoothing = 0.999};
    if (weighted) options.class_weights = {1, 1};  // takes the other kernel
    Loss loss(options, {0, 0}, {0}, 2);
    // softmax - 0.001 [j = t] - 0.4995
    const double got = double(loss.model.gradient(loss.x)[1]) - double(0.5f - 0.4995f);
    EXPECT_LE(std::abs(got), 1e-10);
  }
}

TEST_F(CrossEntropyTest, IgnoredRowsCountForNothing) {
  Loss loss({.ignored_label = -1}, {1, 2, 3, 4}, {-1, 1}, 2);
  const auto totals = loss.model.read(loss.totals);
  EXPECT_EQ(totals[1], 1);
  const auto gradient = loss.model.gradient(loss.x);
  EXPECT_EQ(gradient[0], 0);
  EXPECT_EQ(gradient[1], 0);
  EXPECT_NE(gradient[2], 0);

  Loss nothing({.ignored_label = -1}, {1, 2, 3, 4}, {-1, -1}, 2);
  EXPECT_EQ(nothing.model.read(nothing.totals), (std::vector<float>{0, 0, 0}));
}

TEST_F(CrossEntropyTest, ALabelOutOfRangeIsFoundOnTheDeviceAndNamedOnce) {
  Loss loss({}, {1, 2, 3, 4, 5, 6}, {1, 7, -3}, 2);
  try {
    loss.model.graph.verify();
    FAIL() << "a label of 7 among two classes was accepted";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("row 1 of a batch has label 7"), std::string::npos)
        << error.message();
  }
  loss.model.graph.verify();
  const auto gradient = loss.model.gradient(loss.x);
  EXPECT_EQ(gradient[2], 0);
  EXPECT_NE(gradient[0], 0) << "other rows are not harmed";
}

TEST_F(CrossEntropyTest, TwoLossesOfOneValueAddTheirGradients) {
  TestModel model;
  const Value x = model.input({4, 3}, true);
  const Value label = model.labels({4}, 3);
  const Value first = softmax_cross_entropy(x, label),
              second = softmax_cross_entropy(x, label, {.weight = 2});
  model.compile({.losses = {first, second}});
  model.step();
  const auto both = model.gradient(x);

  TestModel single;
  const Value x1 = single.input({4, 3}, true);
  const Value label1 = single.labels({4}, 3);
  const Value loss = softmax_cross_entropy(x1, label1);
  single.compile({.losses = {loss}});
  single.step();
  auto expected = single.gradient(x1);
  for (float& value : expected) value *= 3;
  expect_near(both, expected, 1e-6);
}

TEST_F(CrossEntropyTest, EvaluationMakesNoGradient) {
  TestModel model;
  const Value x = model.input({4, 3}, true);
  const Value label = model.labels({4}, 3);
  const Value loss = softmax_cross_entropy(x, label);
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.gradient(x), std::vector<float>(12, 5.0f));
  model.context.set_training(false);
  model.graph.forward();
  EXPECT_EQ(model.gradient(x), std::vector<float>(12, 5.0f));
}

TEST_F(CrossEntropyTest, SeedsItsGradientWithTheLossScale) {
  for (std::int64_t classes : {3, 2100}) {  // the second as a part of linear_cross_entropy
    TestModel model;
    const Value x = model.input({4, 6}, true);
    const Value loss = softmax_cross_entropy(linear(x, classes), model.labels({4}, 3));
    model.compile({.losses = {loss}});
    model.step();
    const auto totals = model.read(loss);
    auto scaled = model.gradient(x);
    for (float& value : scaled) value *= 512;
    upload(model.context, Tensor(model.context.loss_scale(), DType::float32, {1}),
           std::vector<float>{512});
    model.step();
    EXPECT_EQ(model.read(loss), totals);
    EXPECT_EQ(model.gradient(x), scaled) << "a power of two costs no digit";
  }
}

TEST_F(CrossEntropyTest, LossesOfRowsAreTheirOwn) {
  TestModel model;
  const Value x = model.input({2, 3, 4}, true), label = model.labels({2, 3}, 4);
  const Value losses = softmax_cross_entropy(x, label, {.reduction = Reduction::none});
  EXPECT_EQ(losses.shape(), (Shape{2, 3}));
  model.compile({.outputs = {losses}, .seeds = {losses}});
  upload(model.context, model.graph.gradient(losses), std::vector<float>{0, 1, 0, 0, 0, 2});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{0, 1, 2, 9, 0, 1});
  model.step();
  const auto gradient = model.gradient(x);
  for (std::size_t row : {0, 2, 3, 4})
    for (std::size_t j = 0; j < 4; ++j) EXPECT_EQ(gradient[row * 4 + j], 0);
  EXPECT_NE(gradient[4], 0);
  EXPECT_NE(gradient[20], 0);
  EXPECT_THROW(model.graph.verify(), Error) << "a label of 9 is noted without totals, too";
}

TEST_F(CrossEntropyTest, FewerRowsMayTakeMoreBlocks) {
  // 1030 rows are two a block, 1024 one.
  TestModel model;
  const Value x = model.input({1030, 2}, true);
  const Value loss = softmax_cross_entropy(x, model.labels({1030}, 2));
  model.compile({.losses = {loss}});
  model.graph.set_batch(1024);
  model.step();
  EXPECT_EQ(model.read(loss)[1], 1024);
}

TEST_F(CrossEntropyTest, RefusesWhatDoesNotFit) {
  const CrossEntropyLoss loss;
  EXPECT_THROW(loss.infer({{DType::float32, {4, 3}}, {DType::int32, {5}}}), Error);
  EXPECT_THROW(loss.infer({{DType::float32, {4, 3}}, {DType::float32, {4}}}), Error);
  EXPECT_THROW(loss.infer({{DType::float32, {4, 0}}, {DType::int32, {4}}}), Error);
  EXPECT_THROW(loss.infer({{DType::float32, {4, 3}}, {DType::float32, {4, 2}}}), Error);
  EXPECT_THROW(CrossEntropyLoss({.label_smoothing = 1.5}), Error);
  EXPECT_THROW(CrossEntropyLoss({.class_weights = {1, -1}}), Error);
  EXPECT_THROW(CrossEntropyLoss({.class_weights = {0, 0}}), Error);
  EXPECT_THROW(CrossEntropyLoss({.class_weights = {1, 1}})
                   .infer({{DType::float32, {4, 3}}, {DType::int32, {4}}}),
               Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
