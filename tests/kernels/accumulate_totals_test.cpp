#include "kernels/accumulate_totals.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using AccumulateTotalsTest = SlabTest;

TEST_F(AccumulateTotalsTest, AddsAndAdvancesTheRandomStep) {
  const DeviceVector<StepWorkspace> workspace(context(), std::vector<StepWorkspace>(1));
  const DeviceVector<std::uint64_t> random_step(context(), std::vector<std::uint64_t>{41});
  DeviceVector<float> totals(context(), std::vector<float>{0.5f, 16777216, 3});
  accumulate_totals(context().stream(), flat(totals), workspace.data(), random_step.data());
  totals.upload({0.25f, 1, 4});
  accumulate_totals(context().stream(), flat(totals), workspace.data(), random_step.data());
  const StepWorkspace sums = workspace.download()[0];
  EXPECT_EQ(sums.totals[0], 0.75);
  EXPECT_EQ(sums.totals[1], 16777217);  // no float
  EXPECT_EQ(sums.totals[2], 7);
  EXPECT_EQ(random_step.download()[0], 43u);
}

TEST_F(AccumulateTotalsTest, TakesTheTotalsOfFloat64Losses) {
  const DeviceVector<StepWorkspace> workspace(context(), std::vector<StepWorkspace>(1));
  const DeviceVector<double> totals(context(), std::vector<double>{1e-300, 16777217, 3});
  accumulate_totals(context().stream(), flat(totals), workspace.data(), context().step());
  const StepWorkspace sums = workspace.download()[0];
  EXPECT_EQ(sums.totals[0], 1e-300);
  EXPECT_EQ(sums.totals[1], 16777217);
  EXPECT_EQ(sums.totals[2], 3);
}

TEST_F(AccumulateTotalsTest, RefusesOtherTensors) {
  const DeviceVector<StepWorkspace> workspace(context(), std::vector<StepWorkspace>(1));
  const DeviceVector<std::int32_t> totals(context(), std::vector<std::int32_t>{1, 2, 3});
  test::expect_error(
      [&] {
        accumulate_totals(context().stream(), flat(totals), workspace.data(), context().step());
      },
      {"accumulate_totals: totals",
       "expected contiguous float32 [3] or float64 [3], got int32 [3]"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
