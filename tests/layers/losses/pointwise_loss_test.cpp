// Losses over elements at chosen points: what their fixtures (fixtures_test.cpp) do not reach.
#include "layers/losses/pointwise_loss.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "layers/losses/probability_losses.h"
#include "layers/losses/regression_losses.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Numbers = std::vector<float>;
using PointwiseLossTest = DeviceTest;

TEST_F(PointwiseLossTest, ReductionsSayWhatTheOptimizerDividesBy) {
  for (const auto& [reduction, totals] :
       {std::pair(Reduction::mean, Numbers{5, 6, 0}), {Reduction::sum, {5, 6, 0, 1}}}) {
    TestModel model;
    const Value x = model.input({3, 2}, true), target = model.input({3, 2});
    const Value loss = mse(x, target, reduction);
    model.compile({.losses = {loss}});
    upload(model.context, model.graph.tensor(x), Numbers{1, 2, 3, 4, 5, 6});
    upload(model.context, model.graph.tensor(target), Numbers{0, 2, 3, 4, 5, 4});
    model.step();
    EXPECT_EQ(model.read(loss), totals);
    EXPECT_EQ(model.gradient(x), (Numbers{2, 0, 0, 0, 0, 4}));
  }
}

TEST_F(PointwiseLossTest, SeedsItsGradientWithTheLossScale) {
  for (const Reduction reduction : {Reduction::mean, Reduction::none}) {
    TestModel model;
    const Value x = model.input({2, 1}, true), target = model.input({2, 1});
    const Value loss = mse(x, target, reduction);
    model.compile({.losses = {loss}});
    upload(model.context, model.graph.tensor(x), Numbers{1, 2});
    upload(model.context, model.graph.tensor(target), Numbers{0, 0});
    upload(model.context, Tensor(model.context.loss_scale(), DType::float32, {1}), Numbers{1024});
    model.step();
    EXPECT_EQ(model.read(loss)[0], reduction == Reduction::mean ? 5 : 1)
        << "the loss is not scaled";
    EXPECT_EQ(model.gradient(x), (Numbers{2048, 4096}));
  }
}

TEST_F(PointwiseLossTest, AValueMayBeItsOwnTarget) {
  TestModel model;
  const Value x = model.input({2, 5}, true);
  model.compile({.losses = {mse(x, x)}});
  model.step();
  EXPECT_EQ(model.gradient(x), Numbers(10, 0.0f));
}

// Losses and their derivatives in x of single elements.
std::pair<Numbers, Numbers> each(const std::function<Value(Value, Value)>& loss, const Numbers& x,
                                 const Numbers& target) {
  TestModel model;
  const Shape shape{1, std::int64_t(x.size())};
  const Value a = model.input(shape, true), b = model.input(shape, true), y = loss(a, b);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(a), x);
  upload(model.context, model.graph.tensor(b), target);
  upload(model.context, model.graph.gradient(y), Numbers(x.size(), 1));
  model.step();
  return {model.read(y), model.gradient(a)};
}

TEST_F(PointwiseLossTest, HasNoSlopeWhereItHasAKink) {
  constexpr auto none = Reduction::none;
  const Numbers x = {1, 3, -1, 1e30f}, t = {1, 1, 1, 0};
  const auto [loss, slope] = each([](Value a, Value b) { return l1(a, b, none); }, x, t);
  EXPECT_EQ(loss, (Numbers{0, 2, 2, 1e30f}));
  EXPECT_EQ(slope, (Numbers{0, 1, -1, 1}));
  const auto [bent, bent_slope] =
      each([](Value a, Value b) { return huber(a, b, {.delta = 2, .reduction = none}); }, x, t);
  EXPECT_EQ(bent, (Numbers{0, 2, 2, 2e30f}));
  EXPECT_EQ(bent_slope, (Numbers{0, 2, -2, 2}));
  const auto [zero, zero_slope] =
      each([](Value a, Value b) { return smooth_l1(a, b, {.beta = 0, .reduction = none}); }, x, t);
  EXPECT_EQ(zero, loss);
  EXPECT_EQ(zero_slope, slope);
  const auto [broken, broken_slope] =
      each([](Value a, Value b) { return huber(a, b, {.reduction = none}); }, {NAN}, {0});
  EXPECT_TRUE(std::isnan(broken[0])) << "NaN must not look like no error";
}

TEST_F(PointwiseLossTest, BinaryCrossEntropyStandsLargeLogits) {
  const BinaryCrossEntropyOptions options{.pos_weight = 3, .reduction = Reduction::none};
  const auto [loss, slope] = each([&](Value a, Value b) { return bce_with_logits(a, b, options); },
                                  {1e4f, 1e4f, -1e4f, -1e4f, 0, 0}, {1, 0, 1, 0, 1, 0});
  // torch.nn.functional.binary_cross_entropy_with_logits(x, t, pos_weight=3, reduction="none")
  expect_near(Numbers{loss[1], loss[2]}, {1e4f, 3e4f}, 1e-6);
  expect_near(Numbers{loss[0], loss[3], loss[4], loss[5]}, {0, 0, 2.07944154f, 0.693147181f}, 1e-6);
  expect_near(slope, {0, 1, -3, 0, -1.5f, 0.5f}, 1e-6);
}

TEST_F(PointwiseLossTest, BinaryCrossEntropyKeepsTheDigitsOfSmallLosses) {
  const auto each_loss = [](Value a, Value b) {
    return bce_with_logits(a, b, {.pos_weight = 3, .reduction = Reduction::none});
  };
  const auto [certain, certain_slope] = each(each_loss, {30, -30}, {1, 0});
  const float small = 9.35762297e-14f;  // log1p(e^-30), and e^-30 / (1 + e^-30)
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_NEAR(certain[i] / small, i == 0 ? 3 : 1, 1e-5);
    EXPECT_NEAR(certain_slope[i] / small, i == 0 ? -3 : 1, 1e-5);
  }
}

TEST_F(PointwiseLossTest, DivergenceOfNothingIsNothing) {
  const auto [loss, slope] =
      each([](Value a, Value b) { return kl_divergence(a, b, {.reduction = Reduction::none}); },
           {-1, -200, -INFINITY}, {0.5f, 0, 0});
  expect_near(loss, {0.5f * (std::log(0.5f) + 1), 0, 0}, 1e-6);
  EXPECT_EQ(slope, (Numbers{-0.5f, 0, 0}));
}

TEST_F(PointwiseLossTest, DivergenceFromWhatCannotBeIsFinite) {
  TestModel model;
  const Value x = model.input({1, 3}, true), target = model.input({1, 3}, true);
  const Value loss = kl_divergence(x, target, {.log_target = true, .reduction = Reduction::sum});
  model.compile({.losses = {loss}});
  const double z = std::log(std::exp(0.1) + std::exp(0.2) + std::exp(0.3));
  upload(model.context, model.graph.tensor(x),
         Numbers{float(0.1 - z), float(0.2 - z), float(0.3 - z)});
  upload(model.context, model.graph.tensor(target),
         Numbers{std::log(0.25f), std::log(0.75f), -INFINITY});
  model.step();
  expect_near({model.read(loss)[0]}, {0.564608f}, 1e-6);
  expect_near(model.gradient(x), {-0.25f, -0.75f, 0}, 1e-6);
  EXPECT_EQ(model.gradient(target)[2], 0);
}

TEST_F(PointwiseLossTest, RecipesNameThemWithOptions) {
  const auto make = [](const std::string& kind, const std::string& key, const OptionValue& value) {
    Options options("[loss]");
    options.set(key, value);
    const std::shared_ptr<Layer> layer = registered_layer(kind).make(options);
    options.finish();
    return layer;
  };
  const Signature x(2, {DType::float32, {4, 3}});
  EXPECT_EQ(make("mse", "reduction", "none")->infer(x)[0].shape, (Shape{4, 3}));
  EXPECT_EQ(make("huber", "delta", 0.5)->infer(x)[0].shape, Shape{3});
  EXPECT_EQ(make("kl_divergence", "reduction", "batchmean")->infer(x)[0].shape, Shape{3});
  EXPECT_THROW(make("mse", "reduction", "average"), Error);
  EXPECT_THROW(make("mse", "delta", 1.0), Error);
  EXPECT_THROW(make("huber", "delta", -1.0), Error);
  EXPECT_THROW(make("smooth_l1", "beta", -1.0), Error);
  EXPECT_THROW(make("bce_with_logits", "pos_weight", -1.0), Error);
  EXPECT_THROW(make("kl_divergence", "reduction", "mode"), Error);
}

TEST_F(PointwiseLossTest, RefusesWhatDoesNotFit) {
  TestModel model;
  const Value x = model.input({2, 5}), y = model.input({2, 4});
  EXPECT_THROW(mse(x, y), Error);
  EXPECT_THROW(mse(x, model.labels({2, 5}, 3)), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
