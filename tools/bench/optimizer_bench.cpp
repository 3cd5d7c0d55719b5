// Times the update of the rules of optim over ten million float32 parameters, a step of
// an optimizer with all its bookkeeping (counters, metrics): a line for each, its best
// milliseconds, with the gradient's norm and check and without them. tools/compare/compare.py puts
// them beside PyTorch's.
//
//   optimizer_bench [SECONDS [METHOD]]               each method, or one of them
//   optimizer_bench --list                           their names
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "core/tensor/transfer.h"
#include "optim/optimizers.h"

namespace {

using namespace adjoint;

constexpr std::int64_t kCount = 10'000'000;

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

/// The forms whose cost differs: a rule's defaults, and those with more moments.
std::vector<std::pair<std::string, RuleOptions>> forms() {
  std::vector<std::pair<std::string, RuleOptions>> forms;
  for (const std::string& kind : rule_kinds()) forms.emplace_back(kind, default_rule_options(kind));
  forms.emplace_back("sgd_momentum", SgdOptions{.momentum = 0.9});
  forms.emplace_back("rmsprop_centered", RmsPropOptions{.momentum = 0.9, .centered = true});
  return forms;
}

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::duration<double, std::milli>;

/// The best milliseconds of a step in about so many seconds.
double best_step(Context& context, const Slab& slab, const RuleOptions& rule,
                 const OptimizerOptions& options, double seconds) {
  Optimizer optimizer(context, slab.slab, rule, options);
  const auto step = [&] {
    const Clock::time_point begin = Clock::now();
    optimizer.step(slab.totals);
    context.stream().synchronize();
    return Milliseconds(Clock::now() - begin).count();
  };
  step();  // touches the moments
  double best = step();
  const Clock::time_point start = Clock::now();
  for (int steps = 0; steps < 5 || Milliseconds(Clock::now() - start).count() < 1e3 * seconds;
       ++steps)
    best = std::min(best, step());
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "0.5", wanted = argc > 2 ? argv[2] : "";
  if (first == "--list") {
    for (const auto& [name, rule] : forms()) std::puts(name.c_str());
    return 0;
  }
  const double seconds = std::atof(first.c_str());
  Context context;
  const Slab slab(context);
  bool found = false;
  for (const auto& [name, rule] : forms()) {
    if (!wanted.empty() && name != wanted) continue;
    found = true;
    const double checked = best_step(context, slab, rule, {}, seconds);
    const double unchecked = best_step(context, slab, rule, {.check_gradient = false}, seconds);
    std::printf("%s %.4f %.4f\n", name.c_str(), checked, unchecked);
  }
  if (found) return 0;
  std::fprintf(stderr, "optimizer_bench: no method '%s'; --list names them\n", wanted.c_str());
  return 2;
}
