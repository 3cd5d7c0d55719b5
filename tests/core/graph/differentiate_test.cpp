// Which nodes run backward, who contributes to which gradient, and in which mode.
#include "core/graph/differentiate.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/plain_layers.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

const PlainLayer::Options kLinear{.kind = "linear", .parameter = true};
const PlainLayer::Options kPlain{};
const PlainLayer::Options kLoss{.kind = "loss", .traits = {.gradient_in_forward = true}};

Differentiation derive(ProgramBuilder& b, std::vector<ValueId> losses,
                       std::vector<ValueId> seeds = {}) {
  const auto declarations = b.declare();
  const auto depends = find_dependents(b.program, declarations);
  check_ends(b.program, depends, losses, seeds);
  return differentiate(b.program, declarations, depends, losses, seeds);
}

TEST(Differentiate, BranchesWithoutParametersAreSkipped) {
  ProgramBuilder b;
  const ValueId x = b.input(4);
  const ValueId before = b.apply(kPlain, {x});  // node 0: nothing to learn at or behind it
  const ValueId h = b.apply(kLinear, {before});
  const ValueId loss = b.apply(kLoss, {h});
  const Differentiation d = derive(b, {loss});
  EXPECT_EQ(d.runs_backward, (std::vector<bool>{false, true, false}));
  EXPECT_FALSE(d.has_gradient[std::size_t(before)]);
  EXPECT_EQ(d.mode(b.program, 1, 0), GradientMode::none);
  EXPECT_EQ(d.mode(b.program, 2, 0), GradientMode::overwrite);
}

TEST(Differentiate, NodesThatReachNoLossAreSkipped) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const ValueId side = b.apply(kLinear, {h});
  const ValueId loss = b.apply(kLoss, {h});
  const Differentiation d = derive(b, {loss});
  EXPECT_EQ(d.runs_backward, (std::vector<bool>{true, false, false}));
  EXPECT_FALSE(d.has_gradient[std::size_t(side)]);
}

TEST(Differentiate, AnInputsGradientIsMadeWhenWanted) {
  ProgramBuilder b;
  const ValueId x = b.input(4, true);
  const ValueId loss = b.apply(kLoss, {b.apply(kPlain, {x})});
  const Differentiation d = derive(b, {loss});
  EXPECT_TRUE(d.has_gradient[std::size_t(x)]);
  EXPECT_TRUE(d.runs_backward[0]);
}

TEST(Differentiate, TheFirstContributionInTimeOverwrites) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const ValueId a = b.apply(kPlain, {h});  // node 1
  const ValueId c = b.apply(kPlain, {h});  // node 2: runs backward before node 1
  const ValueId loss = b.apply(kLoss, {b.apply(kPlain, {a, c})});
  const ValueId early = b.apply(kLoss, {h});  // contributes during forward, before both
  const Differentiation d = derive(b, {loss, early});
  EXPECT_EQ(d.mode(b.program, 5, 0), GradientMode::overwrite);
  EXPECT_EQ(d.mode(b.program, 2, 0), GradientMode::accumulate);
  EXPECT_EQ(d.mode(b.program, 1, 0), GradientMode::accumulate);
}

TEST(Differentiate, AnOrdinaryLossIsSeeded) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const Differentiation d = derive(b, {h});
  EXPECT_EQ(d.seeds, std::vector<ValueId>{h});
  EXPECT_TRUE(d.runs_backward[0]);
}

TEST(Differentiate, SeedsAreAddedTo) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const ValueId y = b.apply(kPlain, {h});
  const Differentiation d = derive(b, {}, {h, y});
  EXPECT_EQ(d.mode(b.program, 1, 0), GradientMode::accumulate);
}

TEST(Differentiate, AnInputIsNoLoss) {
  ProgramBuilder b;
  const ValueId x = b.input(4, true);
  EXPECT_THROW(derive(b, {x}), Error);
}

TEST(Differentiate, AValueIsNamedOnceAmongLossesAndSeeds) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  test::expect_error([&] { derive(b, {h, h}); }, {"linear1 is named twice"});
  test::expect_error([&] { derive(b, {h}, {h}); }, {"linear1 is named twice"});
}

TEST(Differentiate, ASeedNeedsSomethingToLearn) {
  ProgramBuilder b;
  const ValueId y = b.apply(kPlain, {b.input(4)});
  test::expect_error([&] { derive(b, {}, {y}); }, {"gradient of plain1", "no trainable parameter"});
  test::expect_error([&] { derive(b, {y}); }, {"gradient of plain1", "no trainable parameter"});
}

TEST(Program, ErrorsNameBothLayers) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  try {
    b.program.apply(std::make_shared<PlainLayer>(PlainLayer::Options{.kind = "second"}), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "second1 cannot take no inputs: plain: expected an input");
  }
  EXPECT_EQ(b.program.values[std::size_t(h)].name, "linear1");
}

TEST(Program, NamesAreUnique) {
  ProgramBuilder b;
  const ValueId x = b.input(4);
  b.apply(kLinear, {x});
  b.apply(kLinear, {x});
  const auto layer = std::make_shared<PlainLayer>(kLinear);
  b.program.apply(layer, {x}, "head");
  b.program.apply(layer, {x}, "head");
  std::vector<std::string> names;
  for (const Node& node : b.program.nodes) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"linear1", "linear2", "head", "head2"}));
}

TEST(Differentiate, OnlyLossesMakeGradients) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const ValueId loss = b.apply(kLoss, {h});
  b.apply(kLoss, {h});  // node 2: looked at, not trained by
  EXPECT_EQ(derive(b, {loss}).makes_gradient, (std::vector<bool>{false, true, false}));
}

TEST(Differentiate, ASeedIsGivenBeforeAnyoneAddsToIt) {
  ProgramBuilder b;
  const ValueId h = b.apply(kLinear, {b.input(4)});
  const ValueId loss = b.apply(kLoss, {h});  // adds to h's gradient during forward
  test::expect_error([&] { derive(b, {loss, h}); }, {"is a loss", "total_loss"});
  test::expect_error([&] { derive(b, {loss}, {h}); }, {"is given a gradient", "no loss reads"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
