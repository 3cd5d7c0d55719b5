// Times the update of every method of optim/methods.h over ten million float32 parameters, a step
// of an optimizer with all its bookkeeping (gradient norm, counters, metrics): CPU time in
// nanoseconds a parameter, least of many runs, because that is what a busy machine does not
// disturb. Its counterpart in PyTorch is tools/compare/optimizers.py, which runs this program and
// prints the ratios.
//
//   optimizer_bench [RUNS]
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

#include "core/device/transfer.h"
#include "optim/optimizer.h"

namespace {

using namespace adjoint;

constexpr std::int64_t kCount = 10'000'000;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return double(now.tv_sec) + 1e-9 * double(now.tv_nsec);
}

struct Slab {
  explicit Slab(Context& context)
      : master_buffer(context.memory().allocate(kCount * sizeof(float), "bench")),
        gradient_buffer(context.memory().allocate(kCount * sizeof(float), "bench")),
        totals_buffer(context.memory().allocate(3 * sizeof(float), "bench")) {
    slab.master = Tensor(master_buffer.data(), DType::float32, {kCount});
    slab.gradient = Tensor(gradient_buffer.data(), DType::float32, {kCount});
    totals = Tensor(totals_buffer.data(), DType::float32, {3});
    std::vector<float> values(kCount);
    for (std::int64_t i = 0; i < kCount; ++i)
      values[std::size_t(i)] = float(i * 2654435761 % 2001 - 1000) / 1000;
    upload(context, slab.master, values);
    for (float& value : values) value = value * value - 0.3f;
    upload(context, slab.gradient, values);
    upload(context, totals, std::vector<float>{1, 1, 1});
  }

  Buffer master_buffer, gradient_buffer, totals_buffer;
  ParameterSlab slab;
  Tensor totals;
};

/// The forms whose cost differs: a method's defaults, and those with more moments.
std::vector<std::pair<std::string, OptimizerMethod>> forms() {
  std::vector<std::pair<std::string, OptimizerMethod>> forms;
  for (const OptimizerMethod& method : optimizer_methods())
    forms.emplace_back(method_type(method), method);
  forms.emplace_back("sgd_momentum", SgdOptions{.momentum = 0.9});
  forms.emplace_back("rmsprop_centered", RmsPropOptions{.momentum = 0.9, .centered = true});
  return forms;
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 15;
  Context context;
  const Slab slab(context);
  for (const auto& [name, method] : forms()) {
    Optimizer optimizer(context, slab.slab, method);
    double least = 1e9;
    for (int run = -2; run < runs; ++run) {
      const double begin = cpu_seconds();
      optimizer.step(slab.totals);
      context.stream().synchronize();
      const double seconds = cpu_seconds() - begin;
      if (run >= 0 && seconds < least) least = seconds;
    }
    std::printf("%s %.3f\n", name.c_str(), 1e9 * least / double(kCount));
  }
  return 0;
}
