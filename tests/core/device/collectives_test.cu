// Barriers, shuffles, votes and reductions against the PTX ISA's own pseudocode, with masks,
// widths, exits and divergence.
#include <bit>
#include <cmath>

#include "core/device/kernel_testing.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

class Collectives : public KernelTest {};

enum Mode { kIndex, kUp, kDown, kXor };

template <class T>
__global__ void shuffle_kernel(T* out, int mode, unsigned b, int width) {
  const T value = T(threadIdx.x * 7 + 3);
  T result{};
  switch (mode) {
    case kIndex:
      result = __shfl_sync(0xffffffffu, value, int(b), width);
      break;
    case kUp:
      result = __shfl_up_sync(0xffffffffu, value, b, width);
      break;
    case kDown:
      result = __shfl_down_sync(0xffffffffu, value, b, width);
      break;
    default:
      result = __shfl_xor_sync(0xffffffffu, value, int(b), width);
  }
  out[threadIdx.x] = result;
}

// PTX ISA 8, shfl.sync: the lane whose value `lane` gets. c is what CUDA's functions pass for a
// width.
unsigned ptx_source(int mode, unsigned lane, unsigned b, unsigned width) {
  const unsigned c = ((32 - width) << 8) | (mode == kUp ? 0u : 0x1fu);
  const int bval = int(b & 0x1f), cval = int(c & 0x1f), mask = int((c >> 8) & 0x1f);
  const int max_lane = (int(lane) & mask) | (cval & ~mask), min_lane = int(lane) & mask;
  int j = 0;
  bool in_range = false;
  switch (mode) {
    case kUp:
      j = int(lane) - bval, in_range = j >= max_lane;
      break;
    case kDown:
      j = int(lane) + bval, in_range = j <= max_lane;
      break;
    case kXor:
      j = int(lane) ^ bval, in_range = j <= max_lane;
      break;
    default:
      j = min_lane | (bval & ~mask), in_range = j <= max_lane;
  }
  return in_range ? unsigned(j) : lane;
}

template <class T>
class Shuffles : public KernelTest {};
using ShuffledTypes = testing::Types<unsigned, int, float, double, long long, unsigned long long>;
TYPED_TEST_SUITE(Shuffles, ShuffledTypes);

TYPED_TEST(Shuffles, MatchPtx) {
  TestArray<TypeParam> out(64);
  for (int mode : {kIndex, kUp, kDown, kXor})
    for (unsigned width : {1u, 2u, 4u, 8u, 16u, 32u})
      for (unsigned b = 0; b < 40; ++b) {
        this->template run<shuffle_kernel<TypeParam>>({.block = 64}, out.data(), mode, b,
                                                      int(width));
        for (unsigned t = 0; t < 64; ++t) {
          const unsigned source = (t & 32) + ptx_source(mode, t & 31, b, width);
          ASSERT_EQ(out[t], TypeParam(source * 7 + 3))
              << "mode " << mode << " width " << width << " b " << b << " thread " << t;
        }
      }
}

// Odd and even lanes, then quarters, go through different numbers of exchanges at once.
__global__ void divergent_groups(unsigned* out) {
  const unsigned lane = threadIdx.x & 31;
  unsigned value = 0;
  if (lane & 1)
    for (unsigned i = 0; i < 5; ++i) value += __shfl_xor_sync(0xaaaaaaaau, lane + i, 2);
  else
    for (unsigned i = 0; i < 3; ++i) value += __shfl_xor_sync(0x55555555u, lane + i, 4);
  __syncwarp();
  const unsigned quarter = lane >> 3, mask = 0xffu << (quarter * 8);
  for (unsigned i = 0; i <= quarter; ++i) value = value * 3 + __shfl_sync(mask, value, int(i), 8);
  out[threadIdx.x] = value;
}

TEST_F(Collectives, DisjointMasksDoNotInterfere) {
  TestArray<unsigned> out(64);
  run<divergent_groups>({.block = 64}, out.data());
  std::vector<unsigned> expected(64);
  for (unsigned t = 0; t < 64; ++t) {
    const unsigned lane = t & 31;
    for (unsigned i = 0; i < (lane & 1 ? 5u : 3u); ++i)
      expected[t] += (lane ^ (lane & 1 ? 2u : 4u)) + i;
  }
  for (unsigned i = 0; i < 4; ++i) {
    const std::vector<unsigned> before = expected;
    for (unsigned t = 0; t < 64; ++t)
      if (i <= ((t & 31) >> 3)) expected[t] = before[t] * 3 + before[(t & ~7u) + i];
  }
  EXPECT_EQ(out.values(), expected);
}

__global__ void votes(unsigned* out, unsigned mask, unsigned predicates) {
  const unsigned lane = threadIdx.x & 31;
  if (!(mask >> lane & 1)) return;
  const int predicate = int(predicates >> lane & 1);
  unsigned* const mine = out + lane * 4;
  mine[0] = __ballot_sync(mask, predicate);
  mine[1] = unsigned(__any_sync(mask, predicate));
  mine[2] = unsigned(__all_sync(mask, predicate));
  mine[3] = __match_any_sync(mask, int(lane % 5));
}

TEST_F(Collectives, VotesMatchPtx) {
  for (unsigned mask : {0xffffffffu, 0x1u, 0x80000000u, 0x55555555u, 0xff00ff00u, 0x0000ffffu})
    for (unsigned predicates : {0u, 0xffffffffu, 0x1u, 0x80000000u, 0xdeadbeefu, 0x55555555u}) {
      TestArray<unsigned> out(128);
      run<votes>({.block = 32}, out.data(), mask, predicates);
      for (unsigned lane = 0; lane < 32; ++lane) {
        if (!(mask >> lane & 1)) continue;
        unsigned equal = 0;
        for (unsigned other = 0; other < 32; ++other)
          if ((mask >> other & 1) && other % 5 == lane % 5) equal |= 1u << other;
        ASSERT_EQ(out[lane * 4], predicates & mask);
        ASSERT_EQ(out[lane * 4 + 1], (predicates & mask) != 0);
        ASSERT_EQ(out[lane * 4 + 2], (predicates & mask) == mask);
        ASSERT_EQ(out[lane * 4 + 3], equal);
      }
    }
}

__global__ void integer_reductions(unsigned* out, unsigned mask, const unsigned* values) {
  const unsigned lane = threadIdx.x, value = values[lane];
  if (!(mask >> lane & 1)) return;
  unsigned* const mine = out + lane * 9;
  mine[0] = __reduce_add_sync(mask, value);
  mine[1] = __reduce_min_sync(mask, value);
  mine[2] = __reduce_max_sync(mask, value);
  mine[3] = __reduce_and_sync(mask, value);
  mine[4] = __reduce_or_sync(mask, value);
  mine[5] = __reduce_xor_sync(mask, value);
  mine[6] = unsigned(__reduce_add_sync(mask, int(value)));
  mine[7] = unsigned(__reduce_min_sync(mask, int(value)));
  mine[8] = unsigned(__reduce_max_sync(mask, int(value)));
}

TEST_F(Collectives, IntegerWarpReductions) {
  TestArray<unsigned> values(32);
  for (unsigned i = 0; i < 32; ++i) values[i] = 2654435761u * (i + 1);
  for (unsigned mask : {0xffffffffu, 0x10u, 0xaaaaaaaau, 0x7fff0000u}) {
    TestArray<unsigned> out(32 * 9);
    run<integer_reductions>({.block = 32}, out.data(), mask, values.data());
    unsigned sum = 0, low = ~0u, high = 0, both = ~0u, either = 0, parity = 0;
    int slow = 0x7fffffff, shigh = -0x7fffffff - 1;
    for (unsigned i = 0; i < 32; ++i) {
      if (!(mask >> i & 1)) continue;
      const unsigned v = values[i];
      sum += v, low = std::min(low, v), high = std::max(high, v), both &= v, either |= v,
                parity ^= v;
      slow = std::min(slow, int(v)), shigh = std::max(shigh, int(v));
    }
    const unsigned expected[] = {sum,    low, high,           both,           either,
                                 parity, sum, unsigned(slow), unsigned(shigh)};
    for (unsigned i = 0; i < 32; ++i) {
      if (!(mask >> i & 1)) continue;
      for (unsigned k = 0; k < 9; ++k)
        ASSERT_EQ(out[i * 9 + k], expected[k]) << "mask " << mask << " case " << k;
    }
  }
}

__global__ void block_votes(int* out, int threshold) {
  const int t = int(threadIdx.x);
  const int count = __syncthreads_count(t < threshold);
  const int all = __syncthreads_and(t < threshold), any = __syncthreads_or(t < threshold);
  out[t] = count * 4 + (all != 0) * 2 + (any != 0);
}

TEST_F(Collectives, BlockVotes) {
  for (int threads : {1, 2, 31, 100, 1024})
    for (int threshold : {0, 1, 31, 100, 2000}) {
      TestArray<int> out(std::size_t(threads), -1);
      run<block_votes>({.block = threads}, out.data(), threshold);
      const int expected =
          std::min(threads, threshold) * 4 + (threshold >= threads) * 2 + (threshold > 0);
      for (int t = 0; t < threads; ++t) ASSERT_EQ(out[std::size_t(t)], expected);
    }
}

#if !defined(__CUDACC__)  // masks that name exited lanes are undefined on GPUs
__global__ void exit_early(int* out, int staying) {
  if (int(threadIdx.x) >= staying) return;
  ADJOINT_SHARED(int, shared, [1024]);
  shared[threadIdx.x] = int(threadIdx.x);
  __syncthreads();
  out[threadIdx.x] = shared[unsigned(staying) - 1 - threadIdx.x];
  const unsigned lanes = __ballot_sync(0xffffffffu, 1);
  out[threadIdx.x] += 10000 * __builtin_popcount(lanes);
}

TEST_F(Collectives, ExitedThreadsCountAsArrived) {
  for (int threads : {32, 64, 100, 1024})
    for (int staying : {1, 5, 32, 33, 90}) {
      if (staying > threads) continue;
      TestArray<int> out(std::size_t(threads), -1);
      run<exit_early>({.block = threads}, out.data(), staying);
      for (int t = 0; t < threads; ++t) {
        const int lanes = std::min(32, staying - t / 32 * 32);
        ASSERT_EQ(out[std::size_t(t)], t < staying ? staying - 1 - t + 10000 * lanes : -1);
      }
    }
}
#endif

// ---- Reductions of core/device/block.h.

template <class T>
T expected_tree(std::vector<T> lanes) {
  lanes.resize(32);
  for (std::size_t delta = 16; delta > 0; delta /= 2)
    for (std::size_t i = 0; i < delta; ++i) lanes[i] = lanes[i] + lanes[i + delta];
  return lanes[0];
}

template <class T>
T expected_block_sum(const std::vector<T>& values) {
  std::vector<T> warps;
  for (std::size_t begin = 0; begin < values.size(); begin += 32)
    warps.push_back(expected_tree(
        std::vector<T>(values.begin() + long(begin), values.begin() + long(begin) + 32)));
  return warps.size() == 1 ? warps[0] : expected_tree(warps);
}

template <class T>
__global__ void block_sums(T* out, const T* values) {
  Block block;
  const T value = values[block.thread];
  const T first = block.sum(value);
  const Values<T, 2> both = block.sum(Values<T, 2>{value, first * value});
  const T largest = block.max(value);
  T* const mine = out + block.thread * 4;
  mine[0] = first, mine[1] = both[0], mine[2] = both[1], mine[3] = largest;
}

template <class T>
class BlockReductions : public KernelTest {};
using ReducedTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(BlockReductions, ReducedTypes);

TYPED_TEST(BlockReductions, HaveTheBitsOfTheTree) {
  for (int threads : {32, 64, 96, 256, 1024}) {
    const std::size_t count = std::size_t(threads);
    TestArray<TypeParam> values(count), out(count * 4);
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = TypeParam(std::sin(double(i) * 1.3) * std::exp(double(i % 17)));
    this->template run<block_sums<TypeParam>>({.block = threads}, out.data(), values.data());
    const TypeParam sum = expected_block_sum(values.values());
    std::vector<TypeParam> scaled = values.values();
    for (TypeParam& v : scaled) v *= sum;
    const TypeParam scaled_sum = expected_block_sum(scaled);
    TypeParam largest = values[0];
    for (TypeParam v : values.values()) largest = std::max(largest, v);
    for (std::size_t t = 0; t < values.size(); ++t) {
      ASSERT_EQ(out[t * 4], sum);
      ASSERT_EQ(out[t * 4 + 1], sum);
      ASSERT_EQ(out[t * 4 + 2], scaled_sum);
      ASSERT_EQ(out[t * 4 + 3], largest);
    }
  }
}

// A combination that is not symmetric in bits: the order of operands is part of the contract.
struct First {
  ADJOINT_DEVICE float operator()(float a, float b) const { return a != 0.0f ? a : b; }
};
__global__ void first_of_block(float* out, int wanted) {
  Block block;
  out[block.thread] =
      block.reduce(block.thread >= wanted ? float(block.thread + 1) : 0.0f, 0.0f, First{});
}
__global__ void warp_sums(float* out) { out[threadIdx.x] = warp_sum(float(threadIdx.x)); }

TEST_F(Collectives, ReductionsKeepTheOrderOfOperands) {
  TestArray<float> out(96);
  run<first_of_block>({.block = 96}, out.data(), 0);
  for (float v : out.values()) EXPECT_EQ(v, 1.0f);
  run<warp_sums>({.block = 96}, out.data());
  for (std::size_t t = 0; t < 96; ++t) EXPECT_EQ(out[t], 496.0f + 1024.0f * float(t / 32));
}

__global__ void max_with_nan(float* out, int where) {
  Block block;
  out[block.thread] = block.max(block.thread == where ? NAN : float(block.thread));
}
TEST_F(Collectives, MaximumKeepsNan) {
  TestArray<float> out(64);
  for (int where : {0, 17, 63}) {
    run<max_with_nan>({.block = 64}, out.data(), where);
    for (float v : out.values()) EXPECT_TRUE(std::isnan(v));
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
