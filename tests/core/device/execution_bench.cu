// What host execution costs: `bench_host_execution`, one worker unless ADJOINT_WORKERS says
// otherwise. Timings are read by humans (tools/compare/README.md), never asserted.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "core/device/host/workers.h"
#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// Nanoseconds of the best of several runs.
template <class F>
double best_nanoseconds(const F& run) {
  double best = 1e30, total = 0.0;
  for (int i = 0; i < 50 && (total < 2e8 || i < 3); ++i) {
    const auto start = std::chrono::steady_clock::now();
    run();
    const double elapsed =
        std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
    best = std::min(best, elapsed);
    total += elapsed;
  }
  return best;
}

__global__ void empty(int*) {}
__global__ void barriers(int count, int* never) {
  for (int i = 0; i < count; ++i) __syncthreads();
  if (never) *never = 1;
}
__global__ void shuffles(int count, float* out) {
  float value = float(threadIdx.x);
  for (int i = 0; i < count; ++i) value = __shfl_xor_sync(0xffffffffu, value, 1 + (i & 15));
  if (value == -1.0f) *out = value;
}
__global__ void gelu(float* __restrict__ y, const float* __restrict__ x, int n) {
  ADJOINT_GRID_FOR(i, n) {
    const float v = x[i];
    y[i] = 0.5f * v * (1.0f + tanhf(0.7978845608028654f * (v + 0.044715f * v * v * v)));
  }
}
__attribute__((noinline)) void plain_gelu(float* __restrict__ y, const float* __restrict__ x,
                                          int n) {
  for (int i = 0; i < n; ++i) {
    const float v = x[i];
    y[i] = 0.5f * v * (1.0f + tanhf(0.7978845608028654f * (v + 0.044715f * v * v * v)));
  }
}

__global__ void layer_norm(float* __restrict__ y, const float* __restrict__ x,
                           const float* __restrict__ weight, const float* __restrict__ bias,
                           int cols) {
  Block block;
  x += std::int64_t(blockIdx.x) * cols;
  y += std::int64_t(blockIdx.x) * cols;
  float sum = 0.0f;
  ADJOINT_SIMD_SUM(sum)
  ADJOINT_BLOCK_FOR(block, i, cols) sum += x[i];
  const float mean = block.sum(sum) / float(cols);
  float squares = 0.0f;
  ADJOINT_SIMD_SUM(squares)
  ADJOINT_BLOCK_FOR(block, i, cols) {
    const float d = x[i] - mean;
    squares += d * d;
  }
  const float scale = rsqrtf(block.sum(squares) / float(cols) + 1e-5f);
  ADJOINT_BLOCK_FOR(block, i, cols) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}
__attribute__((noinline)) void plain_layer_norm(float* __restrict__ y, const float* __restrict__ x,
                                                const float* __restrict__ weight,
                                                const float* __restrict__ bias, int rows,
                                                int cols) {
  for (int r = 0; r < rows; ++r, x += cols, y += cols) {
    float mean = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : mean)
    for (int i = 0; i < cols; ++i) mean += x[i];
    mean /= float(cols);
#pragma omp simd reduction(+ : squares)
    for (int i = 0; i < cols; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0f / std::sqrt(squares / float(cols) + 1e-5f);
    for (int i = 0; i < cols; ++i) y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
  }
}

void measure() {
  Stream stream;
  const int blocks = 128, repeats = 100;
  const auto per_thread = [&](int threads, double nanoseconds) {
    return nanoseconds / (double(blocks) * threads);
  };
  std::printf("workers %d\n", workers());
  std::printf("launch of one empty block: %.0f ns\n", best_nanoseconds([&] {
                                                        for (int i = 0; i < 1000; ++i)
                                                          launch<empty, Blocks::fixed>(stream, {},
                                                                                       nullptr);
                                                      }) / 1000);
  for (int threads : {32, 256, 1024}) {
    const LaunchShape shape{.grid = blocks, .block = threads};
    const double none =
        best_nanoseconds([&] { launch<empty, Blocks::fixed>(stream, shape, nullptr); });
    const double once =
        best_nanoseconds([&] { launch<barriers, Blocks::fixed>(stream, shape, 1, nullptr); });
    const double many = best_nanoseconds(
        [&] { launch<barriers, Blocks::fixed>(stream, shape, 1 + repeats, nullptr); });
    const double warps =
        best_nanoseconds([&] { launch<shuffles, Blocks::fixed>(stream, shape, repeats, nullptr); });
    std::printf(
        "block of %4d, per thread: empty %.4f ns, with one barrier %.1f ns, a further barrier "
        "(one switch) %.1f ns, a shuffle %.1f ns\n",
        threads, per_thread(threads, none), per_thread(threads, once),
        per_thread(threads, many - once) / repeats, per_thread(threads, warps) / repeats);
  }
  const int rows = 4096, cols = 768;
  std::vector<float> x(std::size_t(rows) * cols), y(x.size()), weight(cols, 1.0f), bias(cols, 0.0f);
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = float(i * 2654435761u >> 16 & 0xffff) / 65536.0f;
  const auto norm = [&](int threads) {
    return best_nanoseconds([&] {
             launch<layer_norm, Blocks::fixed>(stream, {.grid = rows, .block = threads}, y.data(),
                                               x.data(), weight.data(), bias.data(), cols);
           }) /
           1e6;
  };
  std::printf(
      "LayerNorm [4096, 768]: plain loop %.2f ms, block of 1 %.2f ms, block of 256 %.1f ms\n",
      best_nanoseconds([&] {
        plain_layer_norm(y.data(), x.data(), weight.data(), bias.data(), rows, cols);
      }) / 1e6,
      norm(1), norm(256));
  const int n = 1 << 20;
  std::printf(
      "GELU of 2^20: plain loop %.2f ns, block of 1 %.2f ns, block of 256 %.2f ns per element\n",
      best_nanoseconds([&] { plain_gelu(y.data(), x.data(), n); }) / n,
      best_nanoseconds([&] {
        launch<gelu, Blocks::fixed>(stream, {.grid = 64}, y.data(), x.data(), n);
      }) / n,
      best_nanoseconds([&] {
        launch<gelu, Blocks::fixed>(stream, {.grid = 4096, .block = 256}, y.data(), x.data(), n);
      }) / n);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint

int main() {
  if (!std::getenv("ADJOINT_WORKERS")) adjoint::set_workers(1);
  adjoint::measure();
}
