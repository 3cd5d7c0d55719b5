#include "kernels/observe_loss.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/slab.h"

namespace adjoint::inline ADJOINT_BACKEND {
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

TEST_F(ObserveLossTest, NoNumberIsNotBetter) {
  const double nan = std::nan("");
  EXPECT_EQ(factors(schedule_, {1, nan, nan}), (std::vector<double>{0, 0, 0.5}));
  EXPECT_EQ(factors(schedule_, {nan, 5, 4, 3}), (std::vector<double>{0, 0, 0, 0}));
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
