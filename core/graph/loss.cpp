#include "core/graph/loss.h"

#include <algorithm>
#include <cmath>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

void LossLayer::inverse_link(std::span<double>) const {}

void LossLayer::best(std::span<const float> target, std::span<float> prediction) const {
  std::ranges::copy(target, prediction.begin());
}

void softmax_row(std::span<double> scores) {
  const double largest = *std::ranges::max_element(scores);
  double sum = 0;
  for (double& value : scores) sum += value = std::exp(value - largest);
  for (double& value : scores) value /= sum;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
