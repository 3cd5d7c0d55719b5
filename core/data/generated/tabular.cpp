#include "core/data/generated/tabular.h"

#include <array>

#include "core/data/generated/draw_rows.h"
#include "core/samples/data_kinds.h"

namespace adjoint {
namespace {

constexpr int kFeatures = 16, kDimensions = 6, kClusters = 20;
constexpr std::int32_t kClasses = 4;

struct TabularPlan {
  std::array<std::array<double, kDimensions>, kClusters> centres;
  std::array<std::array<double, kDimensions>, kFeatures> mixture;
  std::array<double, kFeatures> scale, offset;
};

TabularPlan draw_plan(std::uint64_t seed) {
  SampleRandom random(seed, kPlanIndex);
  TabularPlan plan{};
  // Different corners: the first places of a shuffle.
  std::array<int, 1 << kDimensions> corners;
  for (int i = 0; i < static_cast<int>(corners.size()); ++i) corners[i] = i;
  for (int i = 0; i < kClusters; ++i) {
    std::swap(corners[i], corners[i + random.below(corners.size() - i)]);
    for (int d = 0; d < kDimensions; ++d)
      plan.centres[i][d] = (corners[i] >> d & 1) != 0 ? 1.0 : -1.0;
  }
  for (int j = 0; j < kFeatures; ++j) {
    for (double& part : plan.mixture[j]) part = random.uniform(-1, 1);
    plan.scale[j] = random.uniform(0.1, 20);
    plan.offset[j] = random.uniform(-100, 100);
  }
  return plan;
}

void draw_tabular(const TabularPlan& plan, SampleRandom& random, Dataset& data) {
  const auto cluster = static_cast<std::int32_t>(random.below(kClusters));
  std::array<double, kDimensions> point;
  for (int d = 0; d < kDimensions; ++d) point[d] = plan.centres[cluster][d] + 0.55 * noise(random);
  for (int j = 0; j < kFeatures; ++j) {
    double value = 0.1 * noise(random);
    for (int d = 0; d < kDimensions; ++d) value += plan.mixture[j][d] * point[d];
    data.features.push_back(static_cast<float>(plan.offset[j] + plan.scale[j] * value));
  }
  data.labels.push_back(cluster % kClasses);
}

}  // namespace

Datasets make_tabular(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed) {
  const TabularPlan plan = draw_plan(seed);
  return draw_rows(
      {.name = "tabular", .type = DType::float32, .sample = {kFeatures}, .classes = kClasses},
      train_count, test_count, seed,
      [&](SampleRandom& random, Dataset& data) { draw_tabular(plan, random, data); });
}

namespace {
const bool kRegistered = register_data_kind(
    drawn_data_kind("tabular", DataInput::features, Task::classification, make_tabular));
}  // namespace

}  // namespace adjoint
