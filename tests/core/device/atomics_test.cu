// Atomics, the "last block finishes" pattern built on them, intrinsics and vector types.
#include <cmath>
#include <cstdint>
#include <limits>

#include "core/device/kernel_testing.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class Atomics : public KernelTest {};

template <class T>
__global__ void count_threads(T* total) {
  atomicAdd(total, T(1));
}

template <class T>
class AtomicAdd : public KernelTest {};
using AddedTypes = testing::Types<int, unsigned, unsigned long long, float, double>;
TYPED_TEST_SUITE(AtomicAdd, AddedTypes);

TYPED_TEST(AtomicAdd, CountsEveryThread) {
  TestArray<TypeParam> total(1);
  this->template run<count_threads<TypeParam>>({.grid = 100, .block = 64}, total.data());
  EXPECT_EQ(total[0], TypeParam(6400));
}

template <class T>
__global__ void integer_atomics(T* cells) {
  const T index = T(blockIdx.x * blockDim.x + threadIdx.x);
  atomicMax(cells + 0, index);
  atomicMin(cells + 1, index);
  atomicOr(cells + 2, T(T(1) << (index % 31)));
  atomicAnd(cells + 3, T(~(T(1) << (index % 31))));
  // One thread wins the empty cell; the others see what it left.
  const T seen = atomicCAS(cells + 4, T(0), index + 1);
  if (seen == 0) atomicExch(cells + 5, index + 1);
}

template <class T>
class IntegerAtomics : public KernelTest {};
using IntegerTypes = testing::Types<int, unsigned, unsigned long long>;
TYPED_TEST_SUITE(IntegerAtomics, IntegerTypes);

TYPED_TEST(IntegerAtomics, Combine) {
  TestArray<TypeParam> cells(6);
  cells[1] = TypeParam(1000000);
  cells[3] = TypeParam(0x7fffffff);
  this->template run<integer_atomics<TypeParam>>({.grid = 8, .block = 32}, cells.data());
  EXPECT_EQ(cells[0], TypeParam(255));
  EXPECT_EQ(cells[1], TypeParam(0));
  EXPECT_EQ(cells[2], TypeParam(0x7fffffff));
  EXPECT_EQ(cells[3], TypeParam(0));
  EXPECT_GE(cells[4], TypeParam(1));
  EXPECT_EQ(cells[4], cells[5]);
}

__global__ void more_atomics(unsigned* cells, int* sum) {
  atomicInc(cells + 0, 9);
  atomicDec(cells + 1, 9);
  atomicSub(sum, 2);
  atomicXor(cells + 2, 1u << (threadIdx.x & 7));
}

TEST_F(Atomics, IncrementDecrementWrapAround) {
  TestArray<unsigned> cells(3);
  TestArray<int> sum(1, 50);
  run<more_atomics>({.grid = 1, .block = 25}, cells.data(), sum.data());
  EXPECT_EQ(cells[0], 5u);                 // 25 increments of a counter from 0 to 9
  EXPECT_EQ(cells[1], (40u - 25u) % 10u);  // 0 wraps to 9
  EXPECT_EQ(cells[2], 0xfeu);              // bit 0 is flipped four times, the others three
  EXPECT_EQ(sum[0], 0);
}

__global__ void atomic_results(unsigned* old, unsigned* cell) {
  old[blockIdx.x * blockDim.x + threadIdx.x] = atomicAdd(cell, 1u);
}
TEST_F(Atomics, EveryThreadSeesAnotherOldValue) {
  TestArray<unsigned> old(640), cell(1);
  run<atomic_results>({.grid = 10, .block = 64}, old.data(), cell.data());
  std::vector<bool> seen(640);
  for (unsigned v : old.values()) {
    ASSERT_LT(v, 640u);
    EXPECT_FALSE(seen[v]);
    seen[v] = true;
  }
}

// Blocks write partial sums; the one that counts itself last adds them up in their order.
__global__ void sum_by_last_block(float* sum, float* partials, unsigned* finished, const float* x,
                                  int n) {
  Block block;
  float partial = 0.0f;
  const GridRange range = grid_range(n);
  for (std::int64_t i = range.begin; i < range.end; i += range.step) partial += x[i];
  partial = block.sum(partial);
  ADJOINT_SHARED(bool, last, [1]);
  if (block.thread == 0) {
    partials[blockIdx.x] = partial;
    __threadfence();
    last[0] = atomicAdd(finished, 1u) == gridDim.x - 1;
  }
  block.sync();
  if (!last[0]) return;
  float total = 0.0f;
  ADJOINT_BLOCK_FOR(block, i, int(gridDim.x)) total += partials[i];
  total = block.sum(total);
  if (block.thread == 0) {
    *sum = total;
    *finished = 0;
  }
}

TEST_F(Atomics, LastBlockFinishesTheReduction) {
  const int n = 10000;
  TestArray<float> x(n, 1.0f), partials(64), sum(1);
  TestArray<unsigned> finished(1);
  for (int threads : {preferred_block(32), 128})  // whole warps on a GPU
    for (int blocks : {1, 7, 64})
      for (int repeat = 0; repeat < 5; ++repeat) {
        sum[0] = -1.0f;
        run<sum_by_last_block>({.grid = blocks, .block = threads}, sum.data(), partials.data(),
                               finished.data(), x.data(), n);
        ASSERT_EQ(sum[0], float(n));
        ASSERT_EQ(finished[0], 0u);
      }
}

// ---- Intrinsics.

__global__ void float_intrinsics(float* out, float a, float b, float c) {
  out[0] = __fmul_rn(a, b) + c;
  out[1] = __fmaf_rn(a, b, c);
  out[2] = __fadd_rn(__fmul_rn(a, b), c);
  out[3] = rsqrtf(4.0f);
  out[4] = __saturatef(7.0f) + __saturatef(-3.0f) + __saturatef(NAN);
  out[5] = __frcp_rn(3.0f);
  out[6] = __fsqrt_rn(2.0f);
  out[7] = __int_as_float(__float_as_int(c)) + __uint_as_float(__float_as_uint(0.0f));
  const float4 v = make_float4(1.0f, 2.0f, 3.0f, 4.0f);
  out[8] = v.x + v.y + v.z + v.w + float(make_uint2(3u, 4u).y) + float(max(3, int(blockIdx.x)));
  out[9] = min(2.5f, 3.0f) + fminf(1.0f, 2.0f);
}
__global__ void integer_intrinsics(long long* out) {
  out[0] = __popc(0xf0f0u), out[1] = __popcll(~0ull), out[2] = __clz(1), out[3] = __clz(0);
  out[4] = __clzll(1), out[5] = __ffs(0), out[6] = __ffs(8), out[7] = __umulhi(1u << 31, 6u);
  out[8] = __float2int_rn(2.5f), out[9] = __float2int_rn(-3.5f), out[10] = __float2int_rn(1e20f);
  out[11] = __float2int_rn(NAN), out[12] = __float2int_rn(-1e20f);
  out[13] = (long long)__umul64hi(1ull << 63, 6ull);
}

TEST_F(Atomics, IntrinsicsRoundAsTheirNamesSay) {
  const float a = 1.0f + std::ldexp(1.0f, -12), c = -(1.0f + std::ldexp(1.0f, -11));
  TestArray<float> out(10);
  run<float_intrinsics>({}, out.data(), a, a, c);
  EXPECT_EQ(out[0], 0.0f);                   // the product rounds before the sum
  EXPECT_EQ(out[1], std::ldexp(1.0f, -24));  // fused
  EXPECT_EQ(out[2], 0.0f);
  EXPECT_EQ(out[3], 0.5f);
  EXPECT_EQ(out[4], 1.0f);
  EXPECT_EQ(out[5], 1.0f / 3.0f);
  EXPECT_EQ(out[6], std::sqrt(2.0f));
  EXPECT_EQ(out[7], c);
  EXPECT_EQ(out[8], 17.0f);
  EXPECT_EQ(out[9], 3.5f);
  TestArray<long long> integers(14);
  run<integer_intrinsics>({}, integers.data());
  const std::vector<long long> expected = {
      8, 64, 31, 32, 63, 0, 4, 3, 2, -4, 2147483647, 0, -2147483648ll, 3};
  EXPECT_EQ(integers.values(), expected);
}

template <class T, class F>
__global__ void apply(T* __restrict__ y, const T* __restrict__ x, F f, int n) {
  ADJOINT_GRID_FOR(i, n) y[i] = f(x[i]);
}
struct Exp {
  ADJOINT_DEVICE float operator()(float x) const { return expf(x); }
};
struct Tanh {
  ADJOINT_DEVICE float operator()(float x) const { return tanhf(x); }
};
struct Erf {
  ADJOINT_DEVICE float operator()(float x) const { return erff(x); }
};
struct Log {
  ADJOINT_DEVICE float operator()(float x) const { return logf(fabsf(x)); }
};

// The vector variants of libmvec promise 4 units in the last place; the kernels' tolerances build
// on it.
TEST_F(Atomics, MathFunctionsAreWithinFourUnits) {
  const int n = 4001;
  TestArray<float> x(n), y(n);
  for (int i = 0; i < n; ++i) x[std::size_t(i)] = float(i - 2000) * 0.01f;
  const auto check = [&](const char* name, double (*exact)(double)) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = exact(double(x[i]));
      if (std::isinf(expected)) continue;
      const double unit = std::max(std::abs(expected), 1e-30) * std::ldexp(1.0, -23);
      ASSERT_LE(std::abs(double(y[i]) - expected), 4.5 * unit) << name << " of " << x[i];
    }
  };
  run<apply<float, Exp>>({.grid = 3}, y.data(), x.data(), Exp{}, n);
  check("expf", [](double v) { return std::exp(v); });
  run<apply<float, Tanh>>({.grid = 3}, y.data(), x.data(), Tanh{}, n);
  check("tanhf", [](double v) { return std::tanh(v); });
  run<apply<float, Erf>>({.grid = 3}, y.data(), x.data(), Erf{}, n);
  check("erff", [](double v) { return std::erf(v); });
  run<apply<float, Log>>({.grid = 3}, y.data(), x.data(), Log{}, n);
  check("logf", [](double v) { return std::log(std::abs(v)); });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
