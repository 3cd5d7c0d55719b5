#include "layers/activations/dropout.h"

#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using DropoutTest = DeviceTest;

TEST_F(DropoutTest, KeepsTheExpectationAndDropsTheSameInBackward) {
  TestModel model;
  const Value x = model.input({100, 100}, true);
  const Value y = dropout(x, 0.25f);
  model.compile({.outputs = {y}, .seeds = {y}});
  upload(model.context, model.graph.tensor(x), std::vector<float>(10000, 1.0f));
  upload(model.context, model.graph.gradient(y), std::vector<float>(10000, 1.0f));
  model.step();
  const auto kept = model.read(y);
  EXPECT_EQ(model.gradient(x), kept);
  int dropped = 0;
  for (float value : kept) {
    EXPECT_TRUE(value == 0.0f || value == 1.0f / 0.75f) << value;
    dropped += value == 0.0f;
  }
  // Four standard deviations of a binomial count: 4 sqrt(10000 x 0.25 x 0.75) = 173.
  EXPECT_NEAR(dropped, 2500, 174);
}

TEST_F(DropoutTest, DrawsAnewEachStepAndAtEachPlace) {
  TestModel model;
  const Value x = model.input({50, 50});
  const Value a = dropout(x, 0.5f), b = dropout(x, 0.5f);
  model.compile({.outputs = {a, b}});
  upload(model.context, model.graph.tensor(x), std::vector<float>(2500, 1.0f));
  model.graph.forward();
  const auto first = model.read(a);
  EXPECT_NE(first, model.read(b));
  model.graph.forward();
  EXPECT_EQ(first, model.read(a)) << "the step was not advanced";
  const std::uint64_t next = 1;
  copy_to_device(model.context.stream(), model.context.step(), &next, sizeof next);
  model.graph.forward();
  EXPECT_NE(first, model.read(a));
}

TEST_F(DropoutTest, DoesNothingInEvaluation) {
  TestModel model;
  const Value x = model.input({4, 4});
  const Value y = dropout(x, 0.9f);
  model.compile({.outputs = {y}});
  model.context.set_training(false);
  model.graph.forward();
  EXPECT_EQ(model.read(y), model.read(x));
}

TEST_F(DropoutTest, RefusesProbabilitiesOutsideZeroToOne) {
  for (float p : {-0.1f, 1.0f, std::nanf("")}) EXPECT_THROW(Dropout{p}, Error) << p;
}

TEST_F(DropoutTest, PassesGradientsOnInEvaluation) {
  TestModel model;
  const Value x = model.input({4, 4}, true);
  const Value y = dropout(x, 0.9f);
  model.compile({.outputs = {y}, .seeds = {y}});
  model.context.set_training(false);
  const std::vector<float> seed(16, 3.0f);
  upload(model.context, model.graph.gradient(y), seed);
  model.step();
  EXPECT_EQ(model.gradient(x), seed);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
