// Several losses in one graph; and what holds for every registered loss: it makes the same gradient
// in backward, where another layer reads its totals, as in forward.
#include "layers/losses/total_loss.h"

#include "core/graph/registry.h"
#include "layers/losses/regression_losses.h"
#include "layers/losses/softmax_cross_entropy.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/expect_error.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using TotalLossTest = DeviceTest;
using Numbers = std::vector<float>;

// A case of a loss alone, or read by a total of it and itself.
struct Alone {
  Alone(const LayerCase& layer_case, float weight, std::uint64_t seed = 3) {
    std::mt19937_64 random(seed);
    for (const CheckInput& input : layer_case.inputs)
      inputs.push_back(graph.input(input.type.shape, input.type.dtype,
                                   {.wants_gradient = is_floating(input.type.dtype)}));
    const std::shared_ptr<Layer> layer = layer_case.make();
    loss = graph.apply(layer, inputs)[0];
    if (weight > 0) loss = total_loss({{loss, weight}});
    graph.compile({.losses = {loss}, .rewrite = false});
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const CheckInput& spec = layer_case.inputs[i];
      const std::size_t count = std::size_t(spec.type.shape.count());
      if (is_floating(spec.type.dtype)) {
        std::normal_distribution<float> normal{float(spec.mean), float(spec.deviation)};
        Numbers values(count);
        for (float& value : values) value = normal(random);
        upload(context, graph.tensor(inputs[i]), values);
      } else {
        std::uniform_int_distribution<std::int32_t> uniform{spec.low, spec.high};
        std::vector<std::int32_t> values(count);
        for (auto& value : values) value = uniform(random);
        upload(context, graph.tensor(inputs[i]), values);
      }
    }
    upload(context, Tensor(context.loss_scale(), DType::float32, {1}), Numbers{256});
    graph.forward();
    graph.backward();
  }
  Context context;
  Graph graph{context};
  std::vector<Value> inputs;
  Value loss;
};

TEST_F(TotalLossTest, EveryLossMakesTheSameGradientInBackward) {
  int losses = 0;
  for (const LayerEntry& entry : registered_layers())
    for (const LayerCase& layer_case : entry.cases) {
      if (!layer_case.make()->traits().gradient_in_forward || entry.kind == "linear_cross_entropy")
        continue;
      SCOPED_TRACE(layer_case.name);
      ++losses;
      Alone fused(layer_case, 0), deferred(layer_case, 0.5f);
      EXPECT_TRUE(fused.graph.program().nodes[0].layer->traits().gradient_in_forward);
      EXPECT_FALSE(deferred.graph.program().nodes[0].layer->traits().gradient_in_forward);
      Numbers totals = download<float>(fused.context, fused.graph.tensor(fused.loss));
      totals[0] *= 0.5f;
      expect_near(download<float>(deferred.context, deferred.graph.tensor(deferred.loss)), totals,
                  1e-6);
      for (std::size_t i = 0; i < fused.inputs.size(); ++i) {
        if (!is_floating(fused.inputs[i].type().dtype)) continue;
        Numbers want = download<float>(fused.context, fused.graph.gradient(fused.inputs[i]));
        for (float& value : want) value *= 0.5f;
        expect_near(download<float>(deferred.context, deferred.graph.gradient(deferred.inputs[i])),
                    want, 1e-6, str("dx[", i, "]"));
      }
    }
  EXPECT_GE(losses, 5);
}

// Two heads on one body: a classifier whose labels are partly ignored and a regression.
struct TwoHeads {
  explicit TwoHeads(const std::vector<std::int32_t>& labels, bool total = true) {
    x = model.input({4, 6}, true);
    const Value body = linear(x, 5), label = model.labels({4}, 3);
    classes = softmax_cross_entropy(linear(body, 3), label, {.ignored_label = -1});
    numbers = mse(linear(body, 2), model.input({4, 2}));
    if (total) {
      loss = total_loss({{classes, 1.0f}, {numbers, 0.5f}});
      model.compile({.losses = {loss}, .outputs = {classes, numbers}});
    } else {
      model.compile({.losses = {classes, numbers}});
    }
    upload(model.context, model.graph.tensor(label), labels);
    model.step();
  }
  TestModel model;
  Value x, classes, numbers, loss;
};

TEST_F(TotalLossTest, DividedByItsCountItIsTheSumOfMeans) {
  TwoHeads heads({0, -1, 2, -1});
  const Numbers a = heads.model.read(heads.classes), b = heads.model.read(heads.numbers);
  const Numbers total = heads.model.read(heads.loss);
  ASSERT_EQ(a[1], 2);
  ASSERT_EQ(b[1], 8);
  expect_near(total, {2 * (a[0] / 2 + 0.5f * b[0] / 8), 2, a[2]}, 1e-6);
  // The same from the gradients of sums, each divided by its own count.
  TwoHeads sums({0, -1, 2, -1}, false);
  const auto got = heads.model.gradients(), want = sums.model.gradients();
  ASSERT_EQ(got.size(), 6u);
  for (const auto& [name, values] : got) {
    if (name.starts_with("linear1")) continue;  // both losses lie before it
    Numbers expected = want.at(name);
    const float factor = name.starts_with("linear2") ? 1.0f : 2 * 0.5f / 8;
    for (float& value : expected) value *= factor;
    expect_near(values, expected, 1e-6, name);
  }
}

TEST_F(TotalLossTest, ALossThatCountsNothingAddsNothing) {
  TwoHeads heads({-1, -1, -1, -1});
  const Numbers b = heads.model.read(heads.numbers);
  expect_near(heads.model.read(heads.loss), {0.5f * b[0], 8, 0}, 1e-6);
  for (const auto& [name, values] : heads.model.gradients())
    for (float value : values) {
      EXPECT_FALSE(std::isnan(value)) << name;
      if (name.starts_with("linear2")) {
        EXPECT_EQ(value, 0) << name;
      }
    }
}

TEST_F(TotalLossTest, TotalsOfTotals) {
  TestModel model;
  const Value x = model.input({4, 2}, true), y = model.input({4, 2});
  const Value inner = total_loss({{mse(x, y), 0.5f}}), loss = total_loss({{inner, 0.5f}});
  model.compile({.losses = {loss}});
  model.step();
  const Numbers got = model.gradient(x);
  TestModel plain;
  const Value x1 = plain.input({4, 2}, true), y1 = plain.input({4, 2});
  plain.compile({.losses = {mse(x1, y1)}});
  plain.step();
  Numbers want = plain.gradient(x1);
  for (float& value : want) value *= 0.25f;
  expect_near(got, want, 1e-6);
}

// Of sums alone a sum, which is not divided either; beside a mean, a part of the mean.
TEST_F(TotalLossTest, SumsStaySums) {
  TestModel model;
  const Value x = model.input({4, 2}, true), y = model.input({4, 2});
  const Value a = mse(x, y, Reduction::sum), b = l1(x, y, Reduction::sum);
  const Value loss = total_loss({{a, 1.0f}, {b, 0.5f}});
  model.compile({.losses = {loss}, .outputs = {a, b}, .reuse_memory = false});
  model.step();
  const Numbers one = model.read(a), other = model.read(b);
  expect_near(model.read(loss), {one[0] + 0.5f * other[0], 8, 0, 1}, 1e-6);
  const Numbers xs = model.read(x), ys = model.read(y), gradient = model.gradient(x);
  for (std::size_t i = 0; i < xs.size(); ++i) {
    const float d = xs[i] - ys[i];
    EXPECT_NEAR(gradient[i], 2 * d + (d > 0 ? 0.5f : -0.5f), 1e-4) << i;
  }
}

// Over several micro-steps the sum would be divided by their number, the mean not.
TEST_F(TotalLossTest, ASumBesideAMeanIsRefused) {
  TestModel model;
  const Value x = model.input({4, 2}, true), y = model.input({4, 2});
  test::expect_error(
      [&] {
        total_loss({{mse(x, y, Reduction::sum), 1.0f}, {l1(x, y), 0.5f}});
      },
      {"total_loss1 cannot take", "Reduction::sum alone", "a sum beside a mean"});
}

TEST_F(TotalLossTest, LeavesLargeHeadsUnfused) {
  TestModel model;
  const Value loss =
      softmax_cross_entropy(linear(model.input({4, 6}), 2100), model.labels({4}, 2100));
  const Value total = total_loss({{loss, 1.0f}});
  model.compile({.losses = {total}});
  EXPECT_EQ(model.kinds(),
            (std::vector<std::string>{"linear", "softmax_cross_entropy", "total_loss"}));
}

TEST_F(TotalLossTest, RefusesWhatDoesNotFit) {
  TestModel model;
  const Value x = model.input({3, 2}), y = model.input({3, 2});
  EXPECT_THROW(total_loss({}), Error);
  EXPECT_THROW(total_loss({{mse(x, y, Reduction::none), 1.0f}}), Error);
  EXPECT_THROW(total_loss({{mse(x, y), NAN}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
