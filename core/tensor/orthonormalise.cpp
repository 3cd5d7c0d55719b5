#include "core/tensor/orthonormalise.h"

#include <algorithm>
#include <cmath>

#include "core/base/error.h"

namespace adjoint {
namespace {

// Few enough vectors to stay in a cache while all before them pass by.
constexpr std::int64_t kPanel = 16;

double dot(const double* a, const double* b, std::int64_t size) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

// Takes off `vector` what it has of the unit vector `direction`.
void clear(double* vector, const double* direction, std::int64_t size) {
  const double share = dot(vector, direction, size);
#pragma omp simd
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
