#include "optim/schedule.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>

#include "base/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(Schedule, HalfCosineIsExactToDouble) {
  for (int i = 0; i <= 10000; ++i) {
    const double x = i / 10000.0;
    const double expected = (1 + std::cos(std::numbers::pi * x)) / 2;
    EXPECT_LE(std::abs(half_cosine(x) - expected), 1e-15) << x;
  }
  EXPECT_EQ(half_cosine(0), 1);
}

TEST(Schedule, ConstantStaysAfterALinearWarmup) {
  const Schedule schedule = constant(0.3, {.warmup_steps = 4});
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 0.3 * 1 / 5);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 1), 0.3 * 2 / 5);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 3), 0.3 * 4 / 5);
  EXPECT_EQ(learning_rate(schedule, 4), 0.3);
  EXPECT_EQ(learning_rate(schedule, std::uint64_t{1} << 40), 0.3);
  EXPECT_EQ(learning_rate(constant(0.3), 0), 0.3);
}

TEST(Schedule, CosineFallsFromBaseToFinal) {
  const Schedule schedule = cosine(0.4, 110, {.warmup_steps = 10, .final = 0.1});
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 0), 0.4 / 11);
  EXPECT_EQ(learning_rate(schedule, 10), 0.4);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 60), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(schedule, 35), 0.1 + 0.3 * (1 + std::sqrt(0.5)) / 2);
  EXPECT_GT(learning_rate(schedule, 109), 0.1);
  EXPECT_EQ(learning_rate(schedule, 110), 0.1);
  EXPECT_EQ(learning_rate(schedule, 1000000), 0.1);
  for (std::uint64_t step = 11; step < 110; ++step) {
    EXPECT_LT(learning_rate(schedule, step), learning_rate(schedule, step - 1)) << step;
  }
}

TEST(Schedule, CountsBeyondTheIntegersOfFloat) {
  const std::uint64_t total = std::uint64_t{1} << 30;
  const Schedule schedule = cosine(1, total);
  EXPECT_LT(learning_rate(schedule, total / 2 + 1), learning_rate(schedule, total / 2));
}

TEST(Schedule, RefusesRatesOutOfRange) {
  for (double rate : {-1e-3, kNaN, kInfinity, -kInfinity}) {
    expect_error([&] { constant(rate); }, {"expected a finite learning rate of 0 or more"});
    expect_error([&] { cosine(rate, 10); }, {"expected a finite learning rate of 0 or more"});
    expect_error([&] { cosine(1, 10, {.final = rate}); }, {"final learning rate"});
  }
  expect_error([] { cosine(0.1, 10, {.final = 0.2}); }, {"above the base rate 0.1"});
  EXPECT_NO_THROW(constant(0));
  EXPECT_NO_THROW(cosine(0.1, 10, {.final = 0.1}));
}

TEST(Schedule, RefusesRunsThatDoNotFit) {
  expect_error([] { cosine(0.1, 0); }, {"number of steps of the run, got 0"});
  expect_error([] { cosine(0.1, 10, {.warmup_steps = 11}); },
               {"11 steps does not fit in a run of 10"});
  expect_error([] { cosine(0.1, 10, {.warmup_steps = 10}); }, {"does not fit"});
  EXPECT_NO_THROW(cosine(0.1, 10, {.warmup_steps = 9}));
}

}  // namespace
}  // namespace adjoint
