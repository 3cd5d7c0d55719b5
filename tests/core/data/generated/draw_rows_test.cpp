// The generated tables: the same on every machine, and what they are made to be.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "core/data/generated/regression.h"
#include "core/data/generated/tabular.h"
#include "core/samples/statistics.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

std::uint64_t checksum(const Dataset& data) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  const auto add = [&](const auto& values) {
    for (const std::byte byte : std::as_bytes(std::span(values)))
      hash = (hash ^ std::to_integer<std::uint64_t>(byte)) * 0x100000001b3u;
  };
  add(data.features);
  add(data.labels);
  add(data.targets);
  return hash;
}

TEST(Generated, AreTheSameOnEveryMachine) {
  // A change means that every run on these sets changes with it.
  EXPECT_EQ(checksum(make_tabular(500, 1, 1).train), 15279073887021977737u);
  EXPECT_EQ(checksum(make_regression(500, 1, 1).train), 3844353214005126214u);
}

TEST(Generated, TrainingAndTestNeverMeetAndLargerSetsBeginAlike) {
  for (const auto& make : {make_tabular, make_regression}) {
    const Datasets few = make(300, 200, 3), more = make(400, 200, 3), other = make(300, 200, 4);
    check_dataset(few.train);
    check_dataset(few.test);
    EXPECT_EQ(few.test.features, more.test.features);
    EXPECT_TRUE(std::equal(few.train.features.begin(), few.train.features.end(),
                           more.train.features.begin()));
    EXPECT_NE(few.train.features, other.train.features);
    for (std::int64_t i = 0; i < 200; ++i)
      for (std::int64_t j = 0; j < 300; ++j)
        EXPECT_FALSE(std::ranges::equal(few.test.row(i), few.train.row(j))) << i << " " << j;
    expect_error([&] { make(0, 1, 1); }, {"got 0"});
    expect_error([&] { make(1, (std::int64_t{1} << 32) + 1, 1); }, {"got 4294967297"});
  }
}

TEST(Generated, TabularHasEvenClassesAndUnevenFeatures) {
  const Dataset data = make_tabular(8000, 1, 1).train;
  EXPECT_EQ(data.sample, Shape{16});
  // Binomial: 2000 expected, standard deviation 39.
  for (const std::int64_t count : class_counts(data)) EXPECT_NEAR(count, 2000, 200);
  const Normalisation columns = column_statistics(data.features, 16);
  const auto [least, largest] = std::ranges::minmax_element(columns.deviation);
  EXPECT_GT(*largest, 5 * *least);
}

// The noise that is left when the formula, by the standard library's sine, is taken away.
TEST(Generated, RegressionIsFriedmansFunction) {
  const Dataset data = make_regression(20000, 1, 2).train;
  double sum = 0, squares = 0;
  for (std::int64_t i = 0; i < data.count; ++i) {
    const auto x = data.row(i);
    const double rest = data.targets[i] - 10 * std::sin(std::numbers::pi * x[0] * x[1]) -
                        20 * (x[2] - 0.5) * (x[2] - 0.5) - 10 * x[3] - 5 * x[4];
    sum += rest;
    squares += rest * rest;
  }
  EXPECT_NEAR(sum / 20000, 0, 0.03);
  EXPECT_NEAR(squares / 20000, 1, 0.05);
  const Normalisation target = column_statistics(data.targets, 1);
  EXPECT_NEAR(target.deviation[0] * target.deviation[0], 24.8, 1.0);
}

}  // namespace
}  // namespace adjoint
