// Philox4x32-10 against the known answers of its authors (Random123, kat_vectors; Salmon et al.
// 2011).
#include "core/device/philox.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

namespace adjoint {
namespace {

void expect_words(const PhiloxWords& got, std::uint32_t x, std::uint32_t y, std::uint32_t z,
                  std::uint32_t w) {
  EXPECT_EQ(got.x, x);
  EXPECT_EQ(got.y, y);
  EXPECT_EQ(got.z, z);
  EXPECT_EQ(got.w, w);
}

TEST(Philox, KnownAnswers) {
  expect_words(philox(0, {0, 0, 0, 0}), 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8);
  expect_words(philox(0xffffffffffffffff, {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
               0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd);
  // Digits of pi; the key's first word is its low one.
  expect_words(philox(0x299f31d0a4093822, {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
               0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
}

TEST(Philox, CountersOfGroupPlaceAndStepDiffer) {
  std::set<std::string> seen;
  const std::uint64_t groups[] = {0, 1, 0xffffffff, 0x100000000, (std::uint64_t(1) << 40) - 1};
  const std::uint64_t places[] = {0, 1, 255, 256, (1u << 24) - 1};
  const std::uint64_t steps[] = {0, 1, 0x100000000};
  for (const auto group : groups) {
    for (const auto place : places) {
      for (const auto step : steps) {
        const PhiloxWords c = philox_counter(group, place, step);
        seen.insert(std::to_string(c.x) + ' ' + std::to_string(c.y) + ' ' + std::to_string(c.z) +
                    ' ' + std::to_string(c.w));
      }
    }
  }
  EXPECT_EQ(seen.size(), 5u * 5u * 3u);
}

TEST(Philox, UniformIsInItsRange) {
  EXPECT_EQ(philox_uniform(0xffffffff), 1.0f);
  EXPECT_GT(philox_uniform(0), 0.0f);
}

TEST(Philox, UniformHasMeanAndVariance) {
  constexpr int kGroups = 1 << 18;
  double sum = 0, squares = 0;
  for (int group = 0; group < kGroups; ++group) {
    const PhiloxWords words = philox(7, philox_counter(std::uint64_t(group), 3, 5));
    for (const std::uint32_t word : {words.x, words.y, words.z, words.w}) {
      const double u = philox_uniform(word);
      sum += u;
      squares += u * u;
    }
  }
  const double count = 4.0 * kGroups, mean = sum / count;
  // Five standard deviations of the mean of 2^20 draws.
  EXPECT_LE(std::abs(mean - 0.5), 5 * std::sqrt(1.0 / 12 / count));
  EXPECT_LE(std::abs(squares / count - mean * mean - 1.0 / 12), 5 * std::sqrt(1.0 / 180 / count));
}

}  // namespace
}  // namespace adjoint
