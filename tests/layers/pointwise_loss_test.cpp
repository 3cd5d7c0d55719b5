// Losses over elements at chosen points: what their fixtures (fixtures_test.cpp) do not reach.
#include "layers/pointwise_loss.h"

#include "layers/regression_losses.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

using Numbers = std::vector<float>;
using PointwiseLossTest = DeviceTest;

TEST_F(PointwiseLossTest, ReductionsSayWhatTheOptimizerDividesBy) {
  for (const auto& [reduction, count] :
       {std::pair(Reduction::mean, 6.0f), {Reduction::sum, 1.0f}}) {
    TestModel model;
    const Value x = model.input({3, 2}, true), target = model.input({3, 2});
    const Value loss = mse(x, target, reduction);
    model.compile({.losses = {loss}});
    upload(model.context, model.graph.tensor(x), Numbers{1, 2, 3, 4, 5, 6});
    upload(model.context, model.graph.tensor(target), Numbers{0, 2, 3, 4, 5, 4});
    model.step();
    EXPECT_EQ(model.read(loss), (Numbers{5, count, 0}));
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

TEST_F(PointwiseLossTest, RefusesWhatDoesNotFit) {
  TestModel model;
  const Value x = model.input({2, 5}), y = model.input({2, 4});
  EXPECT_THROW(mse(x, y), Error);
  EXPECT_THROW(mse(x, model.labels({2, 5}, 3)), Error);
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
