#include "core/data/loader/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "support/expect_error.h"

namespace adjoint {
namespace {

std::vector<std::int32_t> order(std::size_t size, std::uint64_t seed, std::uint64_t epoch) {
  std::vector<std::int32_t> result(size);
  shuffled_order(result, seed, epoch);
  return result;
}

TEST(Order, IsAPermutation) {
  for (const std::size_t size : {0u, 1u, 2u, 1000u}) {
    std::vector<std::int32_t> sorted = order(size, 7, 3);
    std::ranges::sort(sorted);
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(sorted[i], static_cast<std::int32_t>(i));
  }
}

TEST(Order, DependsOnSeedAndEpochAlone) {
  EXPECT_EQ(order(1000, 7, 3), order(1000, 7, 3));
  EXPECT_NE(order(1000, 7, 3), order(1000, 7, 4));
  EXPECT_NE(order(1000, 7, 3), order(1000, 8, 3));
}

// Each sample comes to each place equally often: 24 orders of 4, chi-squared with 23 degrees of
// freedom, 49.7 at one in a thousand.
TEST(Order, EveryOrderIsEquallyLikely) {
  std::vector<int> seen(256);
  constexpr int kEpochs = 24000;
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto drawn = order(4, 1, static_cast<std::uint64_t>(epoch));
    ++seen[std::size_t(drawn[0] + 4 * drawn[1] + 16 * drawn[2] + 64 * drawn[3])];
  }
  double chi_squared = 0;
  int different = 0;
  for (const int count : seen) {
    if (count == 0) continue;
    ++different;
    chi_squared += (count - 1000.0) * (count - 1000.0) / 1000.0;
  }
  EXPECT_EQ(different, 24);
  EXPECT_LE(chi_squared, 49.7);
}

TEST(WeightedOrder, DrawsInProportionToTheWeights) {
  const std::vector<double> weights = {1, 0, 5, 0.5, 3.5, 1e-300, 10};
  const WeightedOrder weighted(weights);
  constexpr int kDraws = 200000;
  std::vector<std::int32_t> order(kDraws);
  weighted.draw(order, 7, 3);
  std::vector<double> seen(weights.size());
  for (const std::int32_t sample : order) ++seen[std::size_t(sample)];
  EXPECT_EQ(seen[1], 0) << "a weight of 0 is never drawn";
  EXPECT_EQ(seen[5], 0);
  double chi_squared = 0;
  for (const std::size_t i : {0u, 2u, 3u, 4u, 6u}) {
    const double expected = kDraws * weights[i] / 20;
    chi_squared += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  // Four degrees of freedom: 18.5 at one in a thousand.
  EXPECT_LE(chi_squared, 18.5);
}

TEST(WeightedOrder, DependsOnSeedAndEpochAlone) {
  const auto draw = [](std::uint64_t seed, std::uint64_t epoch) {
    const WeightedOrder weighted(std::vector<double>(100, 0.25));
    std::vector<std::int32_t> order(1000);
    weighted.draw(order, seed, epoch);
    return order;
  };
  EXPECT_EQ(draw(1, 2), draw(1, 2));
  EXPECT_NE(draw(1, 2), draw(1, 3));
  EXPECT_NE(draw(1, 2), draw(2, 2));
  // With replacement: of a hundred equal ones about ten come twice within any ten draws or so.
  std::vector<std::int32_t> order = draw(1, 2);
  order.resize(100);
  std::ranges::sort(order);
  EXPECT_LT(std::ranges::unique(order).begin() - order.begin(), 80);
}

TEST(WeightedOrder, RefusesWhatIsNoWeight) {
  const auto refused = [](std::vector<double> weights, const std::string& part) {
    test::expect_error([&] { WeightedOrder{weights}; }, {part});
  };
  refused({1, -1}, "sample 1 has weight -1");
  refused({std::nan("")}, "sample 0 has weight nan");
  refused({1, 1, INFINITY}, "sample 2 has weight inf");
  refused({0, 0}, "positive sum");
  refused({}, "positive sum");
  refused({1e308, 1e308}, "positive sum");
}

}  // namespace
}  // namespace adjoint
