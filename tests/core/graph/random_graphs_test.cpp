// Random graphs, as many as a minute holds; tests/core/graph/random_graphs.cpp goes on for hours.
#include <gtest/gtest.h>

#include "core/graph/random_graph.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

#if defined(ADJOINT_CHECKED)
constexpr std::uint64_t kGraphs = 600;
#else
constexpr std::uint64_t kGraphs = 20000;
#endif

// In four cases, so that they run side by side.
class RandomGraphs : public testing::TestWithParam<std::uint64_t> {};

TEST_P(RandomGraphs, ChangeByNothingThatCompileDoes) {
  ADJOINT_REQUIRE_DEVICE();
  std::uint64_t checked = 0, rewrites = 0, differences = 0, recomputed = 0;
  for (std::uint64_t seed = GetParam(); seed < kGraphs; seed += 4) {
    const RandomGraphReport report = check_random_graph(seed);
    ASSERT_EQ(report.fault, "") << "seed " << seed << "\n" << report.description;
    checked += report.refused ? 0 : 1;
    rewrites += std::uint64_t(report.rewrites);
    differences += std::uint64_t(report.differences);
    recomputed += std::uint64_t(report.recomputed);
  }
  // The graphs must be worth it.
  EXPECT_GE(checked, kGraphs / 4 * 4 / 10);
  EXPECT_GE(rewrites, kGraphs / 4 / 4);
  EXPECT_GE(differences, kGraphs / 4 * 5);
  EXPECT_GE(recomputed, kGraphs / 4 / 4);
}

INSTANTIATE_TEST_SUITE_P(Quarters, RandomGraphs, testing::Range<std::uint64_t>(0, 4));

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
