// Only + - * /, which IEEE 754 rounds exactly, and no contraction to fused operations (see
// CMakeLists.txt), as in digits.cpp.
#include "core/data/generated/generated.h"

#include <array>
#include <numbers>
#include <string>

#include "core/base/error.h"
#include "core/samples/random.h"

namespace adjoint {
namespace {

/// Test samples begin here, beyond any training set; what the seed draws once, at the end.
constexpr std::uint64_t kTestBegin = std::uint64_t{1} << 32;
constexpr std::uint64_t kPlanIndex = ~std::uint64_t{0};

/// Near to normal with deviation 1: the sum of twelve uniform numbers.
double noise(SampleRandom& random) {
  double sum = -6;
  for (int term = 0; term < 12; ++term) sum += random.uniform();
  return sum;
}

// ---- tabular

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

// ---- regression

constexpr int kInputs = 10;

/// sin(pi u) for u in [0, 1], as the cosine's series about the middle: the error is below 1e-12.
double sine_of_pi_times(double u) {
  const double x = std::numbers::pi * (u - 0.5);
  double term = 1, sum = 1;
  for (int k = 2; k <= 18; k += 2) {
    term *= -x * x / (k * (k - 1));
    sum += term;
  }
  return sum;
}

void draw_regression(SampleRandom& random, Dataset& data) {
  std::array<double, kInputs> x;
  for (double& value : x) {
    // As the model will see it, so that the target belongs to it exactly.
    data.features.push_back(static_cast<float>(random.uniform()));
    value = data.features.back();
  }
  const double y = 10 * sine_of_pi_times(x[0] * x[1]) + 20 * (x[2] - 0.5) * (x[2] - 0.5) +
                   10 * x[3] + 5 * x[4] + noise(random);
  data.targets.push_back(static_cast<float>(y));
}

template <class Draw>
Datasets make(const Dataset& like, std::int64_t train_count, std::int64_t test_count,
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

}  // namespace

Datasets make_tabular(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed) {
  const TabularPlan plan = draw_plan(seed);
  return make(
      {.name = "tabular", .type = DType::float32, .sample = {kFeatures}, .classes = kClasses},
      train_count, test_count, seed,
      [&](SampleRandom& random, Dataset& data) { draw_tabular(plan, random, data); });
}

Datasets make_regression(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed) {
  return make({.name = "regression", .type = DType::float32, .sample = {kInputs}, .outputs = 1},
              train_count, test_count, seed, draw_regression);
}

}  // namespace adjoint
