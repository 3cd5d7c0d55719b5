// What the generated sets share: samples drawn one by one, each from a random stream of its own, so
// that sample i of a seed depends on nothing else. Only + - * /, which IEEE 754 rounds exactly, and
// no contraction to fused operations (see CMakeLists.txt), as in digits.cpp.
#pragma once

#include <cstdint>

#include "core/base/error.h"
#include "core/samples/dataset.h"
#include "core/samples/random.h"

namespace adjoint {

/// Test samples begin here, beyond any training set; what the seed draws once, at the end.
inline constexpr std::uint64_t kTestBegin = std::uint64_t{1} << 32;
inline constexpr std::uint64_t kPlanIndex = ~std::uint64_t{0};

/// Near to normal with deviation 1: the sum of twelve uniform numbers.
inline double noise(SampleRandom& random) {
  double sum = -6;
  for (int term = 0; term < 12; ++term) sum += random.uniform();
  return sum;
}

/// Training and test samples like those of `like`, which has none: draw(random, data) appends the
/// features and the target of one. Throws Error where a count is below 1 or above 2^32.
template <class Draw>
Datasets draw_rows(const Dataset& like, std::int64_t train_count, std::int64_t test_count,
                   std::uint64_t seed, const Draw& draw) {
  const auto part = [&](const char* name, std::int64_t count, std::uint64_t first) {
    ADJOINT_CHECK(count >= 1 && count <= static_cast<std::int64_t>(kTestBegin), like.name,
                  ": expected a count from 1 to 2^32, got ", count);
    Dataset data = like;
    data.name = str(like.name, " ", name);
    data.count = count;
    data.features.reserve(static_cast<std::size_t>(count * like.sample_size()));
    for (std::int64_t i = 0; i < count; ++i) {
      SampleRandom random(seed, first + static_cast<std::uint64_t>(i));
      draw(random, data);
    }
    return data;
  };
  return {part("train", train_count, 0), part("test", test_count, kTestBegin)};
}

}  // namespace adjoint
