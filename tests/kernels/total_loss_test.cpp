// Several totals as one: sums, counts of zero, gradients in their modes.
#include "kernels/total_loss.h"

#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using TotalLossKernel = DeviceTest;
using Numbers = std::vector<float>;

struct Case {
  explicit Case(std::vector<Numbers> values) {
    for (const Numbers& three : values) {
      totals.emplace_back(context, three);
      gradients.emplace_back(context, Numbers{9, 9, 9});
    }
  }
  void run(const Numbers& weights, GradientMode mode = GradientMode::overwrite,
           const Tensor& dy = {}) {
    std::vector<Tensor> x;
    std::vector<Gradient> dx;
    for (const auto& three : totals) x.push_back(three.tensor({3}));
    for (const auto& three : gradients) dx.push_back({three.tensor({3}), mode});
    total_loss(context.stream(), {.totals = x,
                                  .weights = weights,
                                  .gradients = dx,
                                  .total = total.tensor({3}),
                                  .scale = scale.data(),
                                  .dy = dy});
  }
  Context context;
  std::vector<DeviceVector<float>> totals, gradients;
  DeviceVector<float> total{context, 3}, scale{context, Numbers{2}}, dy{context, Numbers{3, 5, 5}};
};

TEST_F(TotalLossKernel, AddsMeans) {
  Case c({{12, 4, 3}, {10, 2, 1}});
  c.run({1, 0.5f});
  EXPECT_EQ(c.total.download(), (Numbers{4 * (3 + 0.5f * 5), 4, 3}));
  EXPECT_EQ(c.gradients[0].download(), (Numbers{2, 0, 0}));
  EXPECT_EQ(c.gradients[1].download(), (Numbers{2, 0, 0}));
  c.run({1, 0.25f}, GradientMode::accumulate, c.dy.tensor({3}));
  EXPECT_EQ(c.gradients[0].download(), (Numbers{2 + 6, 0, 0}));
  EXPECT_EQ(c.gradients[1].download(), (Numbers{2 + 3, 0, 0}));
}

TEST_F(TotalLossKernel, WhatCountedNothingAddsNothing) {
  Case c({{0, 0, 0}, {10, 2, 1}, {0, 0, 0}});
  c.run({1, 0.5f, 1});
  EXPECT_EQ(c.total.download(), (Numbers{5, 2, 0}));
  EXPECT_EQ(c.gradients[0].download(), (Numbers{0, 0, 0}));
  EXPECT_EQ(c.gradients[1].download(), (Numbers{1, 0, 0}));
  Case nothing({{0, 0, 0}});
  nothing.run({1});
  EXPECT_EQ(nothing.total.download(), (Numbers{0, 0, 0}));
  EXPECT_EQ(nothing.gradients[0].download(), (Numbers{0, 0, 0}));
}

TEST_F(TotalLossKernel, RefusesWhatDoesNotFit) {
  Case c({{12, 4, 3}, {10, 2, 1}});
  EXPECT_THROW(c.run({1}), Error);
  const Tensor short_dy = c.dy.tensor({2});
  EXPECT_THROW(c.run({1, 1}, GradientMode::overwrite, short_dy), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
