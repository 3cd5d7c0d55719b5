// Misuse that the host reports and a GPU may hang on or ignore; and that the next launch works.
#include "core/device/host/schedule.h"
#include "core/device/host/workers.h"
#include "core/device/kernel_testing.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

__global__ void healthy(int* out) {
  ADJOINT_SHARED(int, shared, [64]);
  shared[threadIdx.x] = int(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, shared[63 - threadIdx.x], 1);
}

class HostErrors : public KernelTest {
 protected:
  /// The message, after making sure that the engine works afterwards.
  template <auto Kernel, class... Arguments>
  std::string error_and_recovery(const LaunchShape& shape, Arguments... arguments) {
    const std::string error = error_of<Kernel>(shape, arguments...);
    TestArray<int> out(64, -1);
    run<healthy>({.grid = 1, .block = 64}, out.data());
    for (unsigned t = 0; t < 64; ++t) EXPECT_EQ(out[t], int(63 - (t ^ 1)));
    return error;
  }
};

constexpr int kDivergentBarrier = __LINE__;
__global__ void divergent_barrier(int* out) {
  if (threadIdx.x < 16)
    __syncthreads();
  else
    __syncthreads();
  out[threadIdx.x] = 1;
}

TEST_F(HostErrors, DivergentBarriersNameBothPlaces) {
  TestArray<int> out(64);
  const std::string error =
      error_and_recovery<divergent_barrier>({.grid = 2, .block = 64}, out.data());
  EXPECT_MENTIONS(error, "kernel divergent_barrier: divergent barrier");
  EXPECT_MENTIONS(error, str("host_errors_test.cu:", kDivergentBarrier + 3));
  EXPECT_MENTIONS(error, str("host_errors_test.cu:", kDivergentBarrier + 5));
  EXPECT_MENTIONS(error, "thread (16, 0, 0)");
}

__global__ void barrier_in_loop(int* out, int n) {
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) {
    out[i] = 1;
    __syncthreads();
  }
  __syncthreads();
}

TEST_F(HostErrors, BarriersInLoopsOfUnequalLength) {
  TestArray<int> out(100);
  EXPECT_MENTIONS(error_and_recovery<barrier_in_loop>({.block = 64}, out.data(), 100),
                  "divergent barrier");
  EXPECT_EQ(error_and_recovery<barrier_in_loop>({.block = 50}, out.data(), 100), "");
}

__global__ void barrier_against_shuffle(int* out) {
  int value = 1;
  if (threadIdx.x < 16)
    __syncthreads();
  else
    value = __shfl_xor_sync(0xffffffffu, value, 1);
  out[threadIdx.x] = value;
}

TEST_F(HostErrors, DeadlocksSayWhoWaitsWhere) {
  TestArray<int> out(32);
  const std::string error = error_and_recovery<barrier_against_shuffle>({.block = 32}, out.data());
  EXPECT_MENTIONS(error, "deadlock");
  EXPECT_MENTIONS(error, "16 of 32 living threads wait at the block's barrier");
  EXPECT_MENTIONS(error, "warp 0: lanes 0xffff0000 wait in a shuffle");
  EXPECT_MENTIONS(error, "for lanes 0x0000ffff");
}

__global__ void different_masks(int* out) {
  int value = 1;
  if (threadIdx.x & 1)
    value = __shfl_xor_sync(0xffffffffu, value, 2);
  else
    value = __shfl_xor_sync(0x55555555u, value, 2);
  __syncthreads();
  out[threadIdx.x] = value;
}
__global__ void lane_not_in_mask(int* out) { out[threadIdx.x] = __shfl_xor_sync(0xffffu, 1, 1); }
__global__ void source_not_in_mask(int* out) {
  if (threadIdx.x < 16) out[threadIdx.x] = __shfl_xor_sync(0xffffu, 1, 16);
}

TEST_F(HostErrors, MasksOfWarpExchanges) {
  TestArray<int> out(32);
  EXPECT_MENTIONS(error_and_recovery<different_masks>({.block = 32}, out.data()), "deadlock");
  EXPECT_MENTIONS(error_and_recovery<lane_not_in_mask>({.block = 32}, out.data()),
                  "not in its own mask");
  EXPECT_MENTIONS(error_and_recovery<source_not_in_mask>({.block = 32}, out.data()),
                  "source lane 16");
}

__global__ void throws_in_kernel(int* out) {
  __syncthreads();
  if (threadIdx.x == 5) throw std::runtime_error("boom");
  out[threadIdx.x] = 1;
  __syncthreads();
}
__global__ void throws_without_barrier(int* out) {
  if (threadIdx.x == 5) throw std::runtime_error("boom");
  out[threadIdx.x] = 1;
}
__global__ void traps() { __trap(); }

TEST_F(HostErrors, ExceptionsAndTraps) {
  TestArray<int> out(64);
  EXPECT_MENTIONS(error_and_recovery<throws_in_kernel>({.block = 64}, out.data()), "boom");
  EXPECT_MENTIONS(error_and_recovery<throws_without_barrier>({.block = 64}, out.data()), "boom");
  EXPECT_MENTIONS(error_and_recovery<traps>({.block = 1}), "traps: __trap()");
  EXPECT_MENTIONS(error_and_recovery<traps>({.block = 40}), "__trap()");
}

__global__ void returns_before_reduction(float* out) {
  Block block;
  if (block.thread == 3) return;
  out[block.thread] = block.sum(1.0f);
}

TEST_F(HostErrors, BlockReductionsNeedAllThreads) {
  TestArray<float> out(64);
  EXPECT_MENTIONS(error_and_recovery<returns_before_reduction>({.block = 64}, out.data()),
                  "block reduction");
}

// ---- Shared memory.

template <class T, int count>
__global__ void shared_sizes(T* out, int dynamic) {
  ADJOINT_SHARED(T, fixed, [count]);
  ADJOINT_SHARED(T, pairs, [2][3]);
  ADJOINT_DYNAMIC_SHARED(T, row);
  const int t = int(threadIdx.x), threads = int(blockDim.x);
  for (int i = t; i < count; i += threads) fixed[i] = T(i);
  for (int i = t; i < dynamic; i += threads) row[i] = T(2 * i);
  if (t < 6) pairs[t / 3][t % 3] = T(t);
  __syncthreads();
  if (t == 0)
    out[blockIdx.x] = fixed[count - 1] + (dynamic > 0 ? row[dynamic - 1] : T(0)) + pairs[1][2];
}

TEST_F(HostErrors, SharedMemoryLimits) {
  TestArray<double> out(4);
  run<shared_sizes<double, 8>>({.grid = 4, .block = 64, .shared_bytes = 800}, out.data(), 100);
  for (double v : out.values()) EXPECT_EQ(v, 7.0 + 198.0 + 5.0);
  run<shared_sizes<double, 6138>>({.grid = 2, .block = 64}, out.data(), 0);  // 48 KiB to the byte
  EXPECT_EQ(out[1], 6137.0 + 5.0);
  const std::string fixed =
      error_and_recovery<shared_sizes<double, 6139>>({.block = 64}, out.data(), 0);
  EXPECT_MENTIONS(fixed, "at most 49152 bytes of static shared memory");
  run<shared_sizes<double, 2>>({.block = 64, .shared_bytes = 227 * 1024 - 64}, out.data(), 29048);
  EXPECT_EQ(out[0], 1.0 + 58094.0 + 5.0);
  const std::string both = error_and_recovery<shared_sizes<double, 8>>(
      {.block = 64, .shared_bytes = 227 * 1024}, out.data(), 0);
  EXPECT_MENTIONS(both, "at most 232448 bytes of shared memory");
}

__global__ void shared_scalar_in_any_thread(int* out) {
  ADJOINT_SHARED(int, flags, [4]);
  if (threadIdx.x == 37) flags[2] = 5;
  __syncthreads();
  out[threadIdx.x] = flags[2];
}
TEST_F(HostErrors, SharedMemoryIsOnePerBlock) {
  TestArray<int> out(64);
  run<shared_scalar_in_any_thread>({.block = 64}, out.data());
  for (int v : out.values()) EXPECT_EQ(v, 5);
}

#if defined(ADJOINT_CHECKED)
__global__ void reads_uninitialised(float* out) {
  ADJOINT_SHARED(float, fixed, [4]);
  ADJOINT_DYNAMIC_SHARED(float, row);
  out[0] = fixed[1], out[1] = row[1];
  fixed[1] = row[1] = 0.0f;
}
TEST_F(HostErrors, SharedMemoryStartsAsNan) {
  TestArray<float> out(2);
  for (int threads : {1, 2}) {
    run<reads_uninitialised>({.grid = 1, .block = 1, .shared_bytes = 16}, out.data());
    for (float v : out.values()) EXPECT_NE(v, v) << threads;
  }
}
#endif

// ---- Schedules.

__global__ void reverse_in_shared(int* out, bool with_barrier) {
  ADJOINT_SHARED(int, shared, [64]);
  shared[threadIdx.x] = 0;
  __syncthreads();
  shared[threadIdx.x] = int(threadIdx.x) + 1;
  if (with_barrier) __syncthreads();
  out[threadIdx.x] = shared[(threadIdx.x + 63) % 64];
}

class HostSchedules : public KernelTest {
 protected:
  void TearDown() override { set_thread_order(before_); }
  std::vector<int> ordered(ThreadOrder order, bool with_barrier) {
    set_thread_order(order);
    TestArray<int> out(64);
    run<reverse_in_shared>({.block = 64}, out.data(), with_barrier);
    return out.values();
  }

 private:
  ThreadOrder before_ = thread_order();
};

using Kind = ThreadOrder::Kind;

TEST_F(HostSchedules, AMissingBarrierChangesTheResult) {
#if ADJOINT_TSAN
  GTEST_SKIP() << "ThreadSanitizer reports the missing barrier itself";
#endif
  const std::vector<int> natural = ordered({Kind::natural}, false);
  EXPECT_NE(natural, ordered({Kind::reverse}, false));
  EXPECT_NE(natural, ordered({Kind::random, 1}, false));
  EXPECT_NE(ordered({Kind::random, 1}, false), ordered({Kind::random, 2}, false));
  EXPECT_EQ(ordered({Kind::random, 1}, false), ordered({Kind::random, 1}, false));
}

TEST_F(HostSchedules, ACorrectKernelDoesNotCare) {
  const std::vector<int> natural = ordered({Kind::natural}, true);
  EXPECT_EQ(natural, ordered({Kind::reverse}, true));
  for (std::uint32_t seed = 0; seed < 20; ++seed)
    EXPECT_EQ(natural, ordered({Kind::random, seed}, true));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
