#include "core/tensor/initializer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

// torch.nn.init on a weight of [64, 32, 3, 3]: fan-in 288, fan-out 576.
TEST(Initializer, FollowsThePapers) {
  const Shape shape{64, 32, 3, 3};
  const auto scale = [&](const char* name) {
    return double(Initializer::named(name).resolved(shape).scale);
  };
  EXPECT_NEAR(scale("kaiming_normal"), std::sqrt(2.0 / 288), 1e-8);
  EXPECT_NEAR(scale("kaiming_uniform"), std::sqrt(6.0 / 288), 1e-8);
  EXPECT_NEAR(scale("kaiming_normal(1)"), std::sqrt(1.0 / 288), 1e-8);
  EXPECT_NEAR(scale("xavier_normal"), std::sqrt(2.0 / 864), 1e-8);
  EXPECT_NEAR(scale("xavier_uniform(2)"), 2 * std::sqrt(6.0 / 864), 1e-8);
  EXPECT_NEAR(scale("lecun_normal"), std::sqrt(1.0 / 288), 1e-8);
  EXPECT_NEAR(scale("lecun_uniform"), std::sqrt(3.0 / 288), 1e-8);
  EXPECT_EQ(Initializer::named("kaiming_normal").resolved(shape).kind, Initializer::Kind::normal);
  EXPECT_EQ(Initializer::named("xavier_uniform").resolved(shape).kind, Initializer::Kind::uniform);
}

TEST(Initializer, TakesScalesAsTheyAre) {
  EXPECT_EQ(Initializer::named("normal(0.02)"), Initializer::normal(0.02f));
  EXPECT_EQ(Initializer::named("truncated_normal(0.5)"), Initializer::truncated_normal(0.5f));
  EXPECT_EQ(Initializer::named("uniform(1e-3)"), Initializer::uniform(1e-3f));
  EXPECT_EQ(Initializer::named("constant(-2)"), Initializer::constant(-2));
  EXPECT_EQ(Initializer::named("zeros"), Initializer::constant(0));
  EXPECT_EQ(Initializer::named("ones").resolved({3}), Initializer::constant(1));
}

TEST(Initializer, RefusesWhatItDoesNotKnow) {
  expect_error([] { Initializer::named("kaiming"); }, {"no initializer 'kaiming'", "kaiming_"});
  expect_error([] { Initializer::named(""); }, {"no initializer"});
  expect_error([] { Initializer::named("normal"); }, {"normal(0.02)"});
  expect_error([] { Initializer::named("normal()"); }, {"a number in parentheses"});
  expect_error([] { Initializer::named("normal(0.1"); }, {"a number in parentheses"});
  expect_error([] { Initializer::named("normal("); }, {"a number in parentheses"});
  expect_error([] { Initializer::named("normal(nan)"); }, {"a number in parentheses"});
  expect_error([] { Initializer::named("normal(-1)"); }, {"0 or more"});
  expect_error([] { Initializer::named("zeros(1)"); }, {"takes no number"});
  expect_error([] { Initializer::xavier_normal().resolved({8}); }, {"two axes or more", "[8]"});
  expect_error([] { Initializer::kaiming_normal().resolved({8, 0}); }, {"two axes or more"});
}

}  // namespace
}  // namespace adjoint
