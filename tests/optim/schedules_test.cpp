#include "optim/schedules.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <numbers>
#include <sstream>
#include <string>

#include "core/update/schedule_options.h"
#include "support/expect_error.h"
#include "support/source_folder.h"

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

TEST(Schedule, PowersOfFractionsAreExactToDouble) {
  for (double power : {0.1, 0.5, 0.9, 1.0, 1.7, 2.0, 10.0}) {
    EXPECT_EQ(fraction_power(0, power), 0);
    EXPECT_EQ(fraction_power(1, power), 1);
    for (int i = 1; i < 1000; ++i) {
      const double x = i / 1000.0, expected = std::pow(x, power);
      EXPECT_LE(std::abs(fraction_power(x, power) - expected), 1e-13 * expected) << x << power;
    }
  }
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

/// The rates of a case of fixtures.py, by PyTorch.
std::vector<double> rates_of(const std::string& name) {
  std::ifstream file(source_folder() / "tests/optim/fixtures.txt");
  for (std::string line, word; std::getline(file, line);) {
    std::istringstream words(line);
    std::size_t count = 0;
    words >> word >> count;
    if (word != name) continue;
    std::vector<double> rates(count);
    for (double& rate : rates) words >> rate;
    EXPECT_TRUE(words) << name;
    return rates;
  }
  ADD_FAILURE() << "fixtures.txt has no " << name;
  return {};
}

void expect_rates(const std::string& name, const Schedule& schedule) {
  const std::vector<double> rates = rates_of(name);
  EXPECT_EQ(rates.size(), 120u);
  for (std::size_t step = 0; step < rates.size(); ++step)
    EXPECT_LE(std::abs(learning_rate(schedule, step) - rates[step]), 1e-12 * rates[step] + 1e-16)
        << name << ", step " << step;
}

TEST(Schedule, EveryKindAgreesWithPyTorch) {
  expect_rates("schedule_constant", constant(0.4));
  expect_rates("schedule_step", step_decay(0.4, 17, 0.6));
  expect_rates("schedule_warmup_step", step_decay(0.4, 17, 0.6, {.warmup_steps = 7}));
  expect_rates("schedule_multi_step", multi_step(0.4, {5, 40, 90}, 0.3));
  expect_rates("schedule_exponential", exponential(0.4, 0.97));
  expect_rates("schedule_polynomial", polynomial(0.4, 100, {.power = 1.7}));
  expect_rates("schedule_cosine", cosine(0.4, 100, {.final = 0.04}));
  expect_rates("schedule_cosine_restarts",
               cosine_restarts(0.4, 11, {.final = 0.04, .cycle_factor = 2}));
  expect_rates("schedule_cosine_restarts_equal", cosine_restarts(0.4, 13, {.final = 0.04}));
  expect_rates("schedule_one_cycle",
               one_cycle(0.4, 121, {.rise = 0.25, .start_divisor = 20, .final_divisor = 50}));
  expect_rates(
      "schedule_stable_decay",
      warmup_stable_decay(0.4, 100, 30, {.warmup_steps = 10, .final = 0.04, .power = 0.5}));
}

TEST(Schedule, AWarmupLeadsToWhatFollows) {
  const Schedule cycle = one_cycle(0.5, 24, {.warmup_steps = 4, .start_divisor = 10});
  EXPECT_DOUBLE_EQ(learning_rate(cycle, 0), 0.05 / 5);
  EXPECT_DOUBLE_EQ(learning_rate(cycle, 4), 0.05);
  const Schedule steps = multi_step(0.5, {6}, 0.1, {.warmup_steps = 4});
  EXPECT_DOUBLE_EQ(learning_rate(steps, 5), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(steps, 6), 0.05);
}

TEST(Schedule, BeyondItsEndARunKeepsTheFinalRate) {
  for (const Schedule& schedule :
       {polynomial(1, 50, {.final = 0.125}), cosine(1, 50, {.final = 0.125}),
        warmup_stable_decay(1, 50, 10, {.final = 0.125}),
        one_cycle(1, 50, {.start_divisor = 4, .final_divisor = 2})}) {
    EXPECT_EQ(learning_rate(schedule, 50), 0.125);
    EXPECT_EQ(learning_rate(schedule, 5000), 0.125);
    EXPECT_GE(learning_rate(schedule, 49), 0.125);
  }
}

TEST(Schedule, RefusesShapesThatDoNotFall) {
  for (double gamma : {0.0, -0.5, 1.5, kNaN}) {
    expect_error([&] { step_decay(1, 5, gamma); }, {"a factor above 0 and at most 1 for a step"});
    expect_error([&] { multi_step(1, {5}, gamma); }, {"for a multi-step"});
    expect_error([&] { exponential(1, gamma); }, {"for a exponential"});
    expect_error([&] { plateau(1, {.factor = gamma}); }, {"below 1 for a plateau"});
  }
  expect_error([] { plateau(1, {.factor = 1}); }, {"below 1 for a plateau"});
  expect_error([] { plateau(1, {.threshold = kNaN}); }, {"threshold"});
  expect_error([] { plateau(1, {.final = 2}); }, {"above the base rate"});
  expect_error([] { step_decay(1, 0, 0.5); }, {"a period of at least 1 step"});
  expect_error([] { cosine_restarts(1, 0); }, {"a first cycle of at least 1 step"});
  expect_error([] { cosine_restarts(1, 5, {.cycle_factor = 0}); }, {"a cycle factor"});
  for (double power : {0.0, -1.0, kNaN, kInfinity}) {
    expect_error([&] { polynomial(1, 5, {.power = power}); }, {"power above 0"});
    expect_error([&] { warmup_stable_decay(1, 5, 2, {.power = power}); }, {"power above 0"});
  }
  for (double rise : {0.0, 1.0, kNaN})
    expect_error([&] { one_cycle(1, 9, {.rise = rise}); }, {"rise"});
  expect_error([] { one_cycle(1, 9, {.start_divisor = 0.5}); }, {"start_divisor of 1 or more"});
  expect_error([] { one_cycle(1, 9, {.final_divisor = kNaN}); }, {"final_divisor of 1 or more"});
}

TEST(Schedule, ThoseMadeByHandMustBeOnesThatCanBeWorkedOut) {
  using Kind = Schedule::Kind;
  for (const Schedule& schedule :
       {Schedule{.kind = Kind::step, .base = 1}, Schedule{.kind = Kind::cosine_restarts, .base = 1},
        Schedule{.kind = Kind::cosine, .base = 1}, Schedule{.kind = Kind(77), .base = 1},
        Schedule{.kind = Kind::warmup_stable_decay, .base = 1, .total_steps = 9, .period = 10}})
    expect_error([&] { check_schedule(schedule); }, {"expected one that is made of options"});
  expect_error([] { check_schedule({.base = kNaN}); }, {"a finite learning rate"});
  EXPECT_NO_THROW(check_schedule(cosine(1, 10)));
}

TEST(Schedule, RefusesCountsThatDoNotFit) {
  expect_error([] { multi_step(1, {}, 0.5); }, {"at least one milestone"});
  expect_error([] { multi_step(1, {0, 5}, 0.5); }, {"at least one milestone"});
  expect_error([] { multi_step(1, {5, 5}, 0.5); }, {"got 5 after 5"});
  expect_error([] { multi_step(1, {5, 0, 9}, 0.5); }, {"milestones that ascend"});
  expect_error(
      [] {
        multi_step(1, {5, 9}, 0.5, {.warmup_steps = 5});
      },
      {"beyond the warm-up of 5"});
  expect_error([] { multi_step(1, std::vector<std::uint64_t>(17, 1), 0.5); }, {"at most 16"});
  expect_error([] { one_cycle(1, 5, {.warmup_steps = 4}); }, {"at least 2 steps"});
  expect_error([] { warmup_stable_decay(1, 10, 0); }, {"a decay of 0 steps"});
  expect_error([] { warmup_stable_decay(1, 10, 6, {.warmup_steps = 5}); }, {"expected 1 to the 5"});
  expect_error([] { polynomial(1, 10, {.warmup_steps = 10}); }, {"does not fit in a run of 10"});
}

}  // namespace
}  // namespace adjoint
