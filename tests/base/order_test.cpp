#include "core/data/order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

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

}  // namespace
}  // namespace adjoint
