// Comparing with references. All comparisons are written so that a NaN fails them: a NaN error is
// not
// <= any tolerance.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "core/tensor/dtype.h"

namespace adjoint {

/// |got - want| / |want| in the Euclidean norm; the absolute norm where want is zero; NaN where
/// anything is NaN or the sizes differ.
inline double relative_error(const std::vector<double>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return std::nan("");
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    difference += (got[i] - want[i]) * (got[i] - want[i]);
    norm += want[i] * want[i];
  }
  return norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
}

/// What kernels must keep to (architecture, "Numbers"): relative norm against float64.
inline double tolerance(DType dtype) {
  switch (dtype) {
    case DType::float64:
      return 1e-13;
    case DType::float32:
      return 1e-6;
    case DType::float16:
      return 1e-3;
    default:
      return 8e-3;
  }
}

template <class T>
std::vector<double> to_double(const std::vector<T>& values) {
  std::vector<double> result;
  for (const T& value : values) {
    if constexpr (sizeof(T) == 2)
      result.push_back(double(float(value)));
    else
      result.push_back(double(value));
  }
  return result;
}

template <class T>
std::vector<T> from_double(const std::vector<double>& values) {
  std::vector<T> result;
  for (double value : values) {
    if constexpr (sizeof(T) == 2)
      result.push_back(T(float(value)));
    else
      result.push_back(T(value));
  }
  return result;
}

/// Normal numbers, rounded to T: the values that kernel and reference both start from.
template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed, double scale = 1.0) {
  std::mt19937 engine(seed);
  std::normal_distribution<double> normal(0.0, scale);
  std::vector<double> values(count);
  for (double& value : values) value = normal(engine);
  return from_double<T>(values);
}

#define ADJOINT_EXPECT_CLOSE(got, want, allowed) \
  EXPECT_LE(::adjoint::relative_error(::adjoint::to_double(got), want), allowed)

}  // namespace adjoint
