#include "core/tensor/initializer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/tensor/orthonormalise.h"
#include "support/expect_error.h"

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
  EXPECT_EQ(Initializer::named("orthogonal"), Initializer::orthogonal(1));
  EXPECT_EQ(Initializer::named("orthogonal(2)").resolved({3, 4}), Initializer::orthogonal(2));
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
  expect_error([] { Initializer::orthogonal().resolved({8}); }, {"two axes or more", "[8]"});
  expect_error([] { Initializer::xavier_normal().resolved({8}); }, {"two axes or more", "[8]"});
  expect_error([] { Initializer::kaiming_normal().resolved({8, 0}); }, {"two axes or more"});
}

TEST(Orthonormalise, KeepsTheOrderAndTheSidesOfVectors) {
  // By hand: (3, 4, 0) / 5, then (0, 5, 5) less its 4 of that, and what is left.
  std::vector<double> vectors{3, 4, 0, 0, 5, 5, 0, 0, -2};
  orthonormalise(vectors, 3, 3);
  const double norm = std::sqrt(0.48 * 0.48 * 25 + 0.36 * 0.36 * 25 + 25);
  const double second[3] = {-2.4 / norm, 1.8 / norm, 5 / norm};
  const double third[3] = {-0.8 * second[2], 0.6 * second[2], -0.6 * second[1] + 0.8 * second[0]};
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(vectors[i], (i == 2 ? 0 : i == 1 ? 0.8 : 0.6), 1e-15);
    EXPECT_NEAR(vectors[3 + i], second[i], 1e-15);
    EXPECT_NEAR(vectors[6 + i], third[i], 1e-15) << i;
  }
  // Nearly dependent: one pass would leave them nearly parallel.
  std::vector<double> close{1, 1e-9, 0, 1, 0, 1e-9, 1, 0, 0};
  orthonormalise(close, 3, 3);
  for (int a = 0; a < 3; ++a)
    for (int b = 0; b < 3; ++b) {
      double product = 0;
      for (int i = 0; i < 3; ++i)
        product += close[std::size_t(3 * a + i)] * close[std::size_t(3 * b + i)];
      EXPECT_NEAR(product, a == b, 1e-14) << a << ", " << b;
    }
  std::vector<double> zero{0};
  orthonormalise(zero, 1, 1);
  EXPECT_EQ(zero[0], 1);
  expect_error([&] { orthonormalise(vectors, 9, 1); }, {"at most as many vectors"});
}

}  // namespace
}  // namespace adjoint
