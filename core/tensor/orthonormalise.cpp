#include "core/tensor/orthonormalise.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

// Few enough vectors to stay in a cache while all before them pass by.
constexpr std::int64_t kPanel = 16;

// In lanes of their own, so that a compiler may take them together.
double dot(const double* a, const double* b, std::int64_t size) {
  constexpr int kLanes = 8;
  double sums[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= size; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (; i < size; ++i) sums[0] += a[i] * b[i];
  for (int lane = 1; lane < kLanes; ++lane) sums[0] += sums[lane];
  return sums[0];
}

// Takes off `vector` what it has of the unit vector `direction`.
void clear(double* vector, const double* direction, std::int64_t size) {
  const double share = dot(vector, direction, size);
  for (std::int64_t i = 0; i < size; ++i) vector[i] -= share * direction[i];
}

void normalise(double* vector, std::int64_t size) {
  const double length = std::sqrt(dot(vector, vector, size));
  if (length == 0)
    vector[0] = 1;
  else
    for (std::int64_t i = 0; i < size; ++i) vector[i] /= length;
}

}  // namespace

void orthonormalise(std::span<double> vectors, std::int64_t count, std::int64_t size) {
  ADJOINT_CHECK(count <= size && std::ssize(vectors) == count * size,
                "orthonormalise: expected at most as many vectors as elements of each, got ", count,
                " of ", size, " in ", vectors.size());
  const auto vector = [&](std::int64_t i) { return vectors.data() + i * size; };
  for (std::int64_t begin = 0; begin < count; begin += kPanel) {
    const std::int64_t end = std::min(begin + kPanel, count);
    for (int time = 0; time < 2; ++time)
      for (std::int64_t before = 0; before < begin; ++before)
        for (std::int64_t i = begin; i < end; ++i) clear(vector(i), vector(before), size);
    for (std::int64_t i = begin; i < end; ++i) {
      for (int time = 0; time < 2; ++time)
        for (std::int64_t before = begin; before < i; ++before)
          clear(vector(i), vector(before), size);
      normalise(vector(i), size);
    }
  }
}

}  // namespace adjoint
