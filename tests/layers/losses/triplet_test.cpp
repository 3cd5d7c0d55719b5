#include "layers/losses/triplet.h"

#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using TripletTest = DeviceTest;
using Numbers = std::vector<float>;

TEST_F(TripletTest, FarNegativesCostNothing) {
  TestModel model;
  const Value a = model.input({2, 2}, true), p = model.input({2, 2}, true), n = model.input({2, 2});
  const Value loss = triplet(a, p, n);
  model.compile({.losses = {loss}});
  upload(model.context, model.graph.tensor(a), Numbers{0, 0, 0, 0});
  upload(model.context, model.graph.tensor(p), Numbers{3, 4, 1, 0});
  upload(model.context, model.graph.tensor(n), Numbers{0, 2, 0, 9});
  model.step();
  expect_near(model.read(loss), Numbers{5 - 2 + 1, 2, 1}, 1e-5);
  expect_near(model.gradient(a), Numbers{-0.6f, -0.8f + 1, 0, 0}, 1e-5);
  expect_near(model.gradient(p), Numbers{0.6f, 0.8f, 0, 0}, 1e-5);
}

TEST_F(TripletTest, OneValueMayBeAllThree) {
  TestModel model;
  const Value a = model.input({2, 5}, true);
  model.compile({.losses = {triplet(a, a, a)}});
  model.step();
  for (float value : model.gradient(a)) EXPECT_LE(std::abs(value), 1e-6f);
}

TEST_F(TripletTest, RefusesWhatDoesNotFit) {
  const TensorType x{DType::float32, {4, 3}};
  EXPECT_THROW(TripletLoss().infer({x, x}), Error);
  EXPECT_THROW(TripletLoss().infer({x, x, {DType::float32, {4, 2}}}), Error);
  EXPECT_THROW(TripletLoss({.margin = 0}), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
