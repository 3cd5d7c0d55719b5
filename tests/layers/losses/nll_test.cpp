#include "layers/losses/nll.h"

#include "layers/losses/softmax_cross_entropy.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using NllTest = DeviceTest;
using Numbers = std::vector<float>;

TEST_F(NllTest, CountsWhatItsLabelsWeigh) {
  TestModel model;
  const Value x = model.input({3, 2}, true), label = model.labels({3}, 2);
  const Value loss = nll(x, label, {.ignored_label = -1, .class_weights = {2, 0.5}});
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.tensor(x), Numbers{-1, -2, -3, -4, -5, -6});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{0, 1, -1});
  model.step();
  EXPECT_EQ(model.read(loss), (Numbers{2 + 2, 2.5f, 1}));
  EXPECT_EQ(model.gradient(x), (Numbers{-2, 0, 0, -0.5f, 0, 0}));
}

TEST_F(NllTest, AClassOfWeightNothingHasNoLossThoughItCannotBe) {
  TestModel model;
  const Value x = model.input({1, 3}, true), label = model.labels({1}, 1);
  const Value loss = nll(x, label, {.class_weights = {0, 1, 1}});
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.tensor(x), Numbers{-INFINITY, -1, -2});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{0});
  model.step();
  EXPECT_EQ(model.read(loss), (Numbers{0, 0, 0}));
  EXPECT_EQ(model.gradient(x), (Numbers{0, 0, 0}));
}

TEST_F(NllTest, NothingThatCountsIsNoLoss) {
  TestModel model;
  const Value x = model.input({2, 2}, true), label = model.labels({2}, 2);
  const Value loss = nll(x, label, {.ignored_label = 0});
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{0, 0});
  model.step();
  EXPECT_EQ(model.read(loss), (Numbers{0, 0, 0}));
  EXPECT_EQ(model.gradient(x), Numbers(4, 0.0f));
}

TEST_F(NllTest, ABadLabelIsNamed) {
  TestModel model;
  const Value x = model.input({2, 2}, true), label = model.labels({2}, 2);
  model.compile({.losses = {nll(x, label)}});
  upload(model.context, model.graph.tensor(label), std::vector<std::int32_t>{1, 2});
  model.step();
  EXPECT_THROW(model.graph.verify(), Error);
  model.graph.verify();
}

TEST_F(NllTest, RefusesWhatDoesNotFit) {
  const Signature x = {{DType::float32, {4, 3}}, {DType::int32, {4}}};
  EXPECT_THROW(NllLoss().infer({x[0], {DType::int32, {3}}}), Error);
  EXPECT_THROW(NllLoss().infer({x[0]}), Error);
  EXPECT_THROW(NllLoss({.class_weights = {1, 1}}).infer(x), Error);
  EXPECT_THROW(NllLoss({.class_weights = {1, NAN, 1}}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
