// Launching: what kernels see of grids, blocks and arguments; limits; and that a block of one
// thread computes what the GPU's block does.
#include <cmath>

#include "core/device/kernel_testing.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class Execution : public KernelTest {};

__global__ void scale(float* __restrict__ y, const float* __restrict__ x, float a, int n) {
  ADJOINT_GRID_FOR(i, n) y[i] = a * x[i];
}

TEST_F(Execution, GridForVisitsEveryElementOnce) {
  for (int n : {0, 1, 31, 1000, 4097})
    for (int blocks : {1, 3, 7})
      for (int threads : {1, 32, 96}) {
        TestArray<float> x(std::size_t(n) + 1, 2.0f), y(std::size_t(n) + 1, -1.0f);
        run<scale>({.grid = blocks, .block = threads}, y.data(), x.data(), 3.0f, n);
        for (int i = 0; i < n; ++i) ASSERT_EQ(y[std::size_t(i)], 6.0f) << i << " of " << n;
        EXPECT_EQ(y[std::size_t(n)], -1.0f);
      }
}

__global__ void where_am_i(int* out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += int(thread * 1000 + block);
}
__global__ void where_am_i_with_barrier(int* out) {
  const unsigned thread = threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  const unsigned block = blockIdx.x + gridDim.x * (blockIdx.y + gridDim.y * blockIdx.z);
  __syncthreads();
  out[block * blockDim.x * blockDim.y * blockDim.z + thread] += int(thread * 1000 + block);
}

TEST_F(Execution, ThreeDimensionalGridsAndBlocks) {
  const Extent shapes[] = {{1, 1, 1}, {5, 1, 1}, {1, 5, 1}, {1, 1, 5}, {4, 3, 2}, {33, 2, 3}};
  for (const Extent& grid : shapes)
    for (const Extent& block : shapes)
      for (bool barrier : {false, true}) {
        TestArray<int> out(std::size_t(grid.count() * block.count()));
        if (barrier)
          run<where_am_i_with_barrier>({.grid = grid, .block = block}, out.data());
        else
          run<where_am_i>({.grid = grid, .block = block}, out.data());
        for (std::int64_t i = 0; i < grid.count() * block.count(); ++i)
          ASSERT_EQ(out[std::size_t(i)], i % block.count() * 1000 + i / block.count());
      }
}

template <class F>
__global__ void for_each(F f, int n) {
  ADJOINT_GRID_FOR(i, n) f(int(i));
}
struct StoreTwice {
  float* out;
  ADJOINT_DEVICE void operator()(int i) const { out[i] = 2.0f * float(i); }
};

TEST_F(Execution, FunctorsAsArguments) {
  TestArray<float> out(1000);
  run<for_each<StoreTwice>>({.grid = 3, .block = 32}, StoreTwice{out.data()}, 1000);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(out[std::size_t(i)], 2.0f * float(i));
}

TEST_F(Execution, KernelNamesAreShort) {
  EXPECT_EQ(kernel_name<scale>(), "scale");
  EXPECT_EQ(kernel_name<for_each<StoreTwice>>(), "for_each<StoreTwice>");
  // As nvcc and g++ call them together.
  EXPECT_EQ(tidy_kernel_name(
                "std::string_view adjoint::cuda::kernel_name() [with auto Kernel = "
                "adjoint::cuda::_GLOBAL__N__c009b77c_17_execution_test_cu_a91869a7_466::for_each<"
                "adjoint::cuda::_GLOBAL__N__c009b77c_17_execution_test_cu_a91869a7_466::StoreTwice>"
                "; std::string_view = std::basic_string_view<char>]"),
            "for_each<StoreTwice>");
}

TEST_F(Execution, EmptyGridsLaunchNothing) {
  TestArray<int> out(1, 7);
  for (Extent grid : {Extent(0), Extent(4, 0), Extent(4, 4, 0)})
    run<where_am_i>({.grid = grid, .block = 32}, out.data());
  EXPECT_EQ(out[0], 7);
}

TEST_F(Execution, LimitsAreErrorsNamingTheKernel) {
  int* const none = nullptr;
  const LaunchShape wrong[] = {{.grid = Extent(std::int64_t{1} << 31)},
                               {.grid = Extent(1, 65536)},
                               {.grid = Extent(1, 1, 65536)},
                               {.grid = -1},
                               {.block = 0},
                               {.block = 1025},
                               {.block = Extent(32, 33)},
                               {.block = Extent(1, 1, 65)},
                               {.shared_bytes = 227 * 1024 + 1}};
  for (const LaunchShape& shape : wrong)
    EXPECT_MENTIONS(error_of<where_am_i>(shape, none), "where_am_i");
  EXPECT_TRUE(check_launch({.grid = {kMaxGridX, kMaxGridYZ, kMaxGridYZ}, .block = 1024}, "k"));
  EXPECT_TRUE(check_launch({.block = Extent(1, 16, 64), .shared_bytes = 227 * 1024}, "k"));
}

__global__ void normalize_rows(float* __restrict__ y, const float* __restrict__ x, int cols) {
  Block block;
  x += std::int64_t(blockIdx.x) * cols;
  y += std::int64_t(blockIdx.x) * cols;
  float sum = 0.0f;
  ADJOINT_SIMD_SUM(sum)
  ADJOINT_BLOCK_FOR(block, i, cols) sum += x[i];
  const float mean = block.sum(sum) / float(cols);
  float largest = 0.0f;
  ADJOINT_SIMD_MAX(largest)
  ADJOINT_BLOCK_FOR(block, i, cols) {
    const float distance = fabsf(x[i] - mean);
    largest = distance > largest ? distance : largest;
  }
  largest = block.max(largest);
  ADJOINT_BLOCK_FOR(block, i, cols) y[i] = (x[i] - mean) / largest;
}

TEST_F(Execution, AnyBlockSizeComputesTheSame) {
  for (int cols : {1, 2, 33, 768, 1001}) {
    const int rows = 9;
    TestArray<float> x(std::size_t(rows * cols));
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(float(i) * 1.7f) + 0.3f;
    TestArray<float> one(x.size()), many(x.size());
    run<normalize_rows>({.grid = rows, .block = 32}, one.data(), x.data(), cols);
    {
      GpuBlocks as_on_gpu;
      EXPECT_EQ(preferred_block(256), 256);
      run<normalize_rows>({.grid = rows, .block = preferred_block(256)}, many.data(), x.data(),
                          cols);
    }
    run<normalize_rows>({.grid = rows, .block = preferred_block(256)}, one.data(), x.data(), cols);
    for (std::size_t i = 0; cols > 1 && i < x.size(); ++i)
      ASSERT_LE(std::abs(one[i] - many[i]), 1e-5f) << cols;
  }
}

__global__ void store_argument(int* out, int value) { *out = value; }

TEST_F(Execution, ArgumentsAreFrozenAtLaunch) {
  TestArray<int> out(1);
  int value = 3;
  launch<store_argument>(stream(), {}, out.data(), value);
  value = 4;
  stream().synchronize();
  EXPECT_EQ(out[0], 3);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
