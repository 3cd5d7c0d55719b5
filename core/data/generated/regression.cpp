#include "core/data/generated/regression.h"

#include <array>
#include <numbers>

#include "core/data/generated/draw_rows.h"
#include "core/samples/data_kinds.h"

namespace adjoint {
namespace {

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

}  // namespace

Datasets make_regression(std::int64_t train_count, std::int64_t test_count, std::uint64_t seed) {
  return draw_rows(
      {.name = "regression", .type = DType::float32, .sample = {kInputs}, .outputs = 1},
      train_count, test_count, seed, draw_regression);
}

namespace {
const bool kRegistered = register_data_kind(
    drawn_data_kind("regression", DataInput::features, Task::regression, make_regression));
}  // namespace

}  // namespace adjoint
