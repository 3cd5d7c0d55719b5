#include "core/tensor/initializer.h"

#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

float deviation(double gain, std::int64_t fan, const char* what) {
  ADJOINT_CHECK(fan > 0, "Initializer: expected a positive ", what, ", got ", fan);
  return static_cast<float>(gain / std::sqrt(static_cast<double>(fan)));
}

// A uniform distribution on [-b, b) has variance b^2 / 3.
const float kUniformOverNormal = std::sqrt(3.0f);

}  // namespace

Initializer Initializer::kaiming_uniform(std::int64_t fan_in, float gain) {
  return uniform(kUniformOverNormal * deviation(gain, fan_in, "fan-in"));
}

Initializer Initializer::kaiming_normal(std::int64_t fan_in, float gain) {
  return normal(deviation(gain, fan_in, "fan-in"));
}

Initializer Initializer::xavier_uniform(std::int64_t fan_in, std::int64_t fan_out, float gain) {
  return uniform(kUniformOverNormal *
                 deviation(gain * std::sqrt(2.0), fan_in + fan_out, "fan-in plus fan-out"));
}

Initializer Initializer::xavier_normal(std::int64_t fan_in, std::int64_t fan_out, float gain) {
  return normal(deviation(gain * std::sqrt(2.0), fan_in + fan_out, "fan-in plus fan-out"));
}

}  // namespace adjoint
