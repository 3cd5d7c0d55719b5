// What the tests of kernels over slabs and of optimizers share: a context, lengths around packs and
// pieces, drawn values, both forms of blocks.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <vector>

#include "core/device/execution_options.h"
#include "support/backend.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr std::int64_t kSlabSizes[] = {0,  1,  2,  3,   4,    5,    7,    8,    9,    15,
                                              16, 17, 31, 255, 1023, 1025, 4095, 4096, 4097, 20001};

/// A fixture with a context; skips where the backend has no device.
class SlabTest : public DeviceTest {
 protected:
  void SetUp() override {
    DeviceTest::SetUp();
    if (!IsSkipped()) context_.emplace();
  }
  Context& context() { return *context_; }

 private:
  std::optional<Context> context_;
};

/// All elements as one axis.
template <class T>
Tensor flat(const DeviceVector<T>& vector) {
  return vector.tensor({std::int64_t(vector.size())});
}

/// Draws from [-1, 1) in the type stored.
template <class T>
std::vector<T> draw(std::int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = T(uniform(generator));
  return values;
}

/// Runs body() with the blocks of the host and with those of the GPU.
template <class Body>
void with_both_blocks(const Body& body) {
  for (bool gpu : {false, true}) {
    SCOPED_TRACE(gpu ? "blocks of the GPU's size" : "the backend's blocks");
    const GpuBlocks blocks(gpu);
    body();
  }
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  if (a.size() != b.size()) return false;
  return a.empty() ||
         std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;  // no null to memcmp
}

/// |a - b| / |b| over all elements, in double; NaN if any element is NaN.
template <class T>
double relative_error(const std::vector<T>& values, const std::vector<double>& expected) {
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = double(values[i]) - expected[i];
    error += difference * difference;
    norm += expected[i] * expected[i];
  }
  return norm == 0 && error == 0 ? 0 : std::sqrt(error / norm);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
