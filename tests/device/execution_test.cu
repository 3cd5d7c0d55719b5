#include <gtest/gtest.h>
#include <vector>
#include "core/device/kernel.h"
namespace adjoint::inline ADJOINT_BACKEND {
namespace {
__global__ void scale(float* __restrict__ y, const float* __restrict__ x, float a, int n) {
  ADJOINT_GRID_FOR(i, n) y[i] = a * x[i];
}
__global__ void row_sum(float* y, const float* x, int cols) {
  Block block;
  float s = 0;
  ADJOINT_SIMD_SUM(s)
  ADJOINT_BLOCK_FOR(block, i, cols) s += x[blockIdx.x * cols + i];
  s = block.sum(s);
  if (block.thread == 0) y[blockIdx.x] = s;
}
TEST(Execution, Starts) {
  Stream stream;
  std::vector<float> x(1000, 2.0f), y(1000);
  launch<scale>(stream, {.grid = 7, .block = preferred_block(64)}, y.data(), x.data(), 3.0f, 1000);
  stream.synchronize();
  for (float v : y) EXPECT_EQ(v, 6.0f);
  launch<row_sum>(stream, {.grid = 10, .block = preferred_block(64)}, y.data(), x.data(), 100);
  stream.synchronize();
  EXPECT_EQ(y[9], 200.0f);
  EXPECT_EQ(kernel_name<scale>(), "scale");
}
}  // namespace
}  // namespace adjoint
