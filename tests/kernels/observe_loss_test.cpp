#include "kernels/observe_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class ObserveLossTest : public SlabTest {
 protected:
  /// The factor after each of the losses.
  std::vector<double> factors(const Schedule& schedule, const std::vector<double>& losses) {
    const DeviceVector<UpdateState> state(context(), std::vector<UpdateState>(1));
    std::vector<double> found;
    for (const double loss : losses) {
      observe_loss(context().stream(), state.data(), schedule, loss);
      found.push_back(state.download()[0].rate_factor);
    }
    return found;
  }
  const Schedule schedule_{.kind = Schedule::Kind::plateau, .gamma = 0.5, .patience = 1};
};

TEST_F(ObserveLossTest, FallsAfterMoreThanPatience) {
  EXPECT_EQ(factors(schedule_, {3, 2, 2, 1.9, 2, 2, 2, 2}),
            (std::vector<double>{0, 0, 0, 0, 0, 0.5, 0.5, 0.25}));
}

TEST_F(ObserveLossTest, CoolsDown) {
  Schedule schedule = schedule_;
  schedule.cooldown = 2;
  EXPECT_EQ(factors(schedule, {1, 1, 1, 1, 1, 1, 1}),
            (std::vector<double>{0, 0, 0.5, 0.5, 0.5, 0.5, 0.25}));
}

TEST_F(ObserveLossTest, ASmallGainIsNone) {
  Schedule schedule = schedule_;
  schedule.threshold = 0.1;
  EXPECT_EQ(factors(schedule, {1, 0.95, 0.91}), (std::vector<double>{0, 0, 0.5}));
  EXPECT_EQ(factors(schedule, {1, 0.95, 0.89}), (std::vector<double>{0, 0, 0}));
}

// The margin is a part of the best loss's size, and so is one of a loss below 0.
TEST_F(ObserveLossTest, ALossBelowZeroMustFallByItsMargin) {
  Schedule schedule = schedule_;
  schedule.threshold = 0.1;
  schedule.patience = 0;
  EXPECT_EQ(factors(schedule, {-1, -0.95, -1.05, -1.2}), (std::vector<double>{0, 0.5, 0.25, 0.25}));
  EXPECT_EQ(factors(schedule, {-1, -1.09, -1.11}), (std::vector<double>{0, 0.5, 0.5}));
  EXPECT_EQ(factors(schedule, {1, 0.91, 0.89}), (std::vector<double>{0, 0.5, 0.5}));
  // Through 0, where the margin is nothing.
  EXPECT_EQ(factors(schedule, {0.1, 0, -1e-30, -1}), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(factors(schedule, {-1e300, -1.05e300, -1.2e300}), (std::vector<double>{0, 0.5, 0.5}));
}

TEST_F(ObserveLossTest, NoNumberIsNotBetter) {
  const double nan = std::nan(""), infinity = std::numeric_limits<double>::infinity();
  // Nor an infinite one, after which nothing could be better by a margin.
  EXPECT_EQ(factors(schedule_, {infinity, 5, 4, 3}), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(factors(schedule_, {5, -infinity, 4, 3}), (std::vector<double>{0, 0, 0, 0}));
  EXPECT_EQ(factors(schedule_, {-infinity, -infinity}), (std::vector<double>{0, 0.5}));
  EXPECT_EQ(factors(schedule_, {1, nan, nan}), (std::vector<double>{0, 0, 0.5}));
  EXPECT_EQ(factors(schedule_, {nan, 5, 4, 3}), (std::vector<double>{0, 0, 0, 0}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
