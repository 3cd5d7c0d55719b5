#include "tools/adjoint/measure.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "kernels/engines/matmul.h"
#include "kernels/initialize.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Timing quartiles(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto at = [&](double fraction) {
    const double place = fraction * double(samples.size() - 1);
    const auto below = static_cast<std::size_t>(place);
    const std::size_t above = std::min(below + 1, samples.size() - 1);
    return samples[below] + (place - double(below)) * (samples[above] - samples[below]);
  };
  return {at(0.5), at(0.25), at(0.75), samples.front(), static_cast<std::int64_t>(samples.size())};
}

Timing measure(Context& context, double seconds, const std::function<void()>& body,
               const std::function<void()>& between) {
  using Clock = std::chrono::steady_clock;
  constexpr std::size_t kFewest = 5, kMost = 100'000;
  Stream& stream = context.stream();
  if (between) between();
  body();
  stream.synchronize();
  Event begin, end;
  std::vector<double> samples;
  const Clock::time_point start = Clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(Clock::now() - start).count(); };
  while (samples.size() < kFewest || (elapsed() < seconds && samples.size() < kMost)) {
    if (between) between();
    begin.record(stream);
    body();
    end.record(stream);
    stream.synchronize();
    samples.push_back(double(elapsed_milliseconds(begin, end)));
  }
  return quartiles(std::move(samples));
}

namespace {

// Products that take less are too small to be at their best.
constexpr double kLongEnough = 5.0;

// Of random numbers: zeros draw less power, and a GPU is faster on them than on anything real.
double product_milliseconds(Context& context, DType dtype, std::int64_t side, double seconds) {
  const TensorType type{dtype, {side, side}};
  std::vector<Buffer> buffers;
  std::vector<Tensor> matrices;
  for (std::uint64_t i = 0; i < 3; ++i) {
    buffers.push_back(context.memory().allocate(type.bytes(), "bench"));
    matrices.emplace_back(buffers.back().data(), type.dtype, type.shape);
    initialize(context.stream(), matrices.back(), Initializer::uniform(1.0f), 1, i);
  }
  const Matmul product{.a = matrices[0], .b = matrices[1], .c = matrices[2]};
  prepare_matmul(context, product);
  return measure(context, seconds, [&] { matmul(context, product); }).best;
}

}  // namespace

double product_flops(Context& context, DType type, double seconds) {
  double flops = 0;
  for (std::int64_t side = 1024; side <= 16384; side *= 2) {
    const double milliseconds = product_milliseconds(context, type, side, seconds);
    flops = 2.0 * std::pow(double(side), 3) / (1e-3 * milliseconds);
    if (milliseconds >= kLongEnough) break;
  }
  return flops;
}

Ceilings measure_ceilings(Context& context, double seconds) {
  Ceilings ceilings;
  Stream& stream = context.stream();
  {
    constexpr std::size_t kBytes = std::size_t{128} << 20;
    const Buffer from = context.memory().allocate(kBytes, "bench");
    const Buffer to = context.memory().allocate(kBytes, "bench");
    fill_bytes(stream, from.data(), 0, kBytes);
    const Timing copy =
        measure(context, seconds, [&] { copy_on_device(stream, to.data(), from.data(), kBytes); });
    ceilings.bytes_per_second = 2.0 * double(kBytes) / (1e-3 * copy.best);
  }
  ceilings.flops = product_flops(context, DType::float32, seconds);
  return ceilings;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
