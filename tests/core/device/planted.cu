// Bugs planted in kernels, one per run: `planted BUG`. CTest runs each under the sanitizer that
// must report it (planted.cmake); `planted` alone lists them. Each has a correct twin, which must
// be clean. The lines that a report must name carry the word BUG.
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "core/device/host/workers.h"
#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kThreads = 64;
constexpr int kBlocks = 16;

// ---- Out of bounds and misaligned: AddressSanitizer and UndefinedBehaviorSanitizer.

__global__ void global_bounds(float* out, int n) {
  const int i = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) out[i] = 1.0f;  // BUG global_bounds, for n one too large
}

__global__ void static_bounds(float* out, int offset) {
  ADJOINT_SHARED(float, first, [kThreads]);
  ADJOINT_SHARED(float, second, [kThreads]);
  second[threadIdx.x] = 2.0f;
  first[int(threadIdx.x) + offset] = 1.0f;  // BUG static_bounds
  __syncthreads();
  out[threadIdx.x] = first[threadIdx.x] + second[threadIdx.x];
}

__global__ void dynamic_bounds(float* out, int offset) {
  ADJOINT_DYNAMIC_SHARED(float, row);
  row[int(threadIdx.x) + offset] = 1.0f;  // BUG dynamic_bounds
  __syncthreads();
  out[threadIdx.x] = row[threadIdx.x];
}

__global__ void misaligned(float* out, const float* x, int offset) {
  const float4 v =
      *reinterpret_cast<const float4*>(x + 4 * threadIdx.x + offset);  // BUG misaligned
  out[threadIdx.x] = v.x + v.w;
}

__attribute__((noinline)) float deep(int depth, float x) {
  volatile float frame[512];
  frame[depth & 511] = x;
  return depth > 0 ? deep(depth - 1, x + 1.0f) + frame[depth & 511] : x;  // BUG stack_overflow
}
__global__ void stack_overflow(float* out, int depth) {
  __syncthreads();
  out[threadIdx.x] = deep(depth, 1.0f);
}

// ---- Races: ThreadSanitizer.

__global__ void block_race(float* out, bool with_barrier) {
  ADJOINT_SHARED(float, shared, [kThreads]);
  shared[threadIdx.x] = float(threadIdx.x);
  if (with_barrier) __syncthreads();
  out[threadIdx.x] = threadIdx.x > 0 ? shared[threadIdx.x - 1] : 0.0f;  // BUG block_race
}

// The barrier at the end of the loop's body is missing.
__global__ void reduction_race(float* out, bool with_barrier) {
  ADJOINT_SHARED(float, shared, [kThreads]);
  const unsigned t = threadIdx.x;
  shared[t] = float(t);
  __syncthreads();
  for (unsigned half = kThreads / 2; half > 0; half /= 2) {
    if (t < half) shared[t] += shared[t + half];  // BUG reduction_race
    if (with_barrier) __syncthreads();
  }
  out[t] = shared[0];
}

__global__ void warp_race(float* out, bool with_barrier) {
  ADJOINT_SHARED(float, shared, [kThreads]);
  shared[threadIdx.x] = float(threadIdx.x);
  if (with_barrier) __syncwarp();
  out[threadIdx.x] = shared[threadIdx.x ^ 1];  // BUG warp_race
}

__global__ void grid_race(float* total, bool atomic) {
  if (threadIdx.x != 0) return;
  if (atomic)
    atomicAdd(total, 1.0f);
  else
    *total += 1.0f;  // BUG grid_race
}

// One thread per block, as the host launches kernels that are right for any block size.
__global__ void grid_race_after_barrier(float* out, float* total, bool atomic) {
  __syncthreads();
  out[blockIdx.x] = 1.0f;
  if (threadIdx.x == 0 && !atomic) *total = float(blockIdx.x);  // BUG grid_race_after_barrier
}

// The last block reads what the others wrote; without the counter it reads too early.
__global__ void last_block(float* partials, unsigned* finished, float* sum, bool counted) {
  ADJOINT_SHARED(unsigned, last, [1]);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = 1.0f;
    __threadfence();
    last[0] = counted ? atomicAdd(finished, 1u) == gridDim.x - 1 : blockIdx.x == gridDim.x - 1;
  }
  __syncthreads();
  if (!last[0] || threadIdx.x != 0) return;
  for (unsigned b = 0; b < gridDim.x; ++b) *sum += partials[b];  // BUG last_block
}

// ---- Divergence: errors in every build.

__global__ void divergent_barrier(float* out, int threshold) {
  if (int(threadIdx.x) < threshold)
    __syncthreads();
  else
    __syncthreads();  // BUG divergent_barrier
  out[threadIdx.x] = 1.0f;
}

__global__ void lost_lane(float* out, int threshold) {
  float value = 1.0f;
  if (int(threadIdx.x) < threshold)
    value = __shfl_xor_sync(0xffffffffu, value, 1);  // BUG lost_lane
  __syncthreads();
  out[threadIdx.x] = value;
}

struct Case {
  const char* name;
  void (*run)(Stream& stream, bool bug);
};

const Case kCases[] = {
    {"global_bounds",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<global_bounds>(s, {.grid = 2, .block = kThreads / 2 + 1}, out.data(), kThreads + bug);
       s.synchronize();
     }},
    {"static_bounds",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<static_bounds>(s, {.block = kThreads}, out.data(), int(bug));
       s.synchronize();
     }},
    {"dynamic_bounds",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<dynamic_bounds>(s, {.block = kThreads, .shared_bytes = kThreads * 4}, out.data(),
                              int(bug));
       s.synchronize();
     }},
    {"misaligned",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads), x(kThreads * 4 + 4);
       launch<misaligned>(s, {.block = kThreads}, out.data(), x.data(), int(bug));
       s.synchronize();
     }},
    {"stack_overflow",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<stack_overflow>(s, {.block = kThreads}, out.data(), bug ? 100000 : 3);
       s.synchronize();
     }},
    {"block_race",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<block_race>(s, {.block = kThreads}, out.data(), !bug);
       s.synchronize();
     }},
    {"reduction_race",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<reduction_race>(s, {.block = kThreads}, out.data(), !bug);
       s.synchronize();
     }},
    {"warp_race",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<warp_race>(s, {.block = kThreads}, out.data(), !bug);
       s.synchronize();
     }},
    {"grid_race",
     [](Stream& s, bool bug) {
       static std::vector<float> total(1);
       launch<grid_race>(s, {.grid = kBlocks, .block = kThreads}, total.data(), !bug);
       s.synchronize();
     }},
    {"grid_race_after_barrier",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kBlocks), total(1);
       launch<grid_race_after_barrier>(s, {.grid = kBlocks, .block = 1}, out.data(), total.data(),
                                       !bug);
       s.synchronize();
     }},
    {"last_block",
     [](Stream& s, bool bug) {
       static std::vector<float> partials(kBlocks), sum(1);
       static std::vector<unsigned> finished(1);
       launch<last_block>(s, {.grid = kBlocks, .block = kThreads}, partials.data(), finished.data(),
                          sum.data(), !bug);
       s.synchronize();
     }},
    {"divergent_barrier",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<divergent_barrier>(s, {.block = kThreads}, out.data(), bug ? 16 : kThreads);
       s.synchronize();
     }},
    {"lost_lane",
     [](Stream& s, bool bug) {
       static std::vector<float> out(kThreads);
       launch<lost_lane>(s, {.block = kThreads}, out.data(), bug ? 16 : kThreads);
       s.synchronize();
     }},
};

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

int main(int count, char** arguments) {
  const std::string wanted = count > 1 ? arguments[1] : "";
  const bool bug = count <= 2 || std::strcmp(arguments[2], "fixed") != 0;
  for (const adjoint::Case& c : adjoint::kCases) {
    if (wanted.empty()) std::printf("%s\n", c.name);
    if (wanted != c.name) continue;
    try {
      adjoint::Stream stream;
      c.run(stream, bug);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "reported: %s\n", error.what());
      return 1;
    }
    std::printf("%s: nothing found\n", c.name);
    return 0;
  }
  return wanted.empty() ? 0 : 2;
}
