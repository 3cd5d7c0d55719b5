// A plugin: an update rule and a schedule that nothing of the tree knows of. plugin_test.cpp finds
// them by kind alone.
#include "core/update/schedule_options.h"
#include "core/update/slab_rule.cuh"

namespace plugin {

/// Bernstein et al. 2018, "signSGD: Compressed Optimisation for Non-Convex Problems": the sign of
/// the momentum. It is Lion with both betas the same.
struct SignumOptions {
  static constexpr const char* kName = "Signum";
  static constexpr const char* kType = "signum";
  double learning_rate = 1e-3;
  double momentum = 0.5;
  double weight_decay = 0;

  bool operator==(const SignumOptions&) const = default;
  static SignumOptions recipe_defaults() { return SignumOptions{.momentum = 0.9}; }

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.fraction("momentum", o.momentum);
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

/// The rate as it is for a part of the run, then a line down to the end.
struct HoldOptions {
  static constexpr const char* kName = "holding";
  static constexpr const char* kType = "hold";
  static constexpr std::uint64_t kLeastSteps = 2;
  std::uint64_t warmup_steps = 0;
  double held = 0.5;  ///< part of the steps after the warm-up
  double final = 0;

  bool operator==(const HoldOptions&) const = default;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.steps("warmup_steps", o.warmup_steps);
    visitor.part("held", o.held);
    visitor.final_rate(o.final);
  }

  adjoint::Schedule schedule(double rate, std::uint64_t total_steps) const {
    const auto left = total_steps - warmup_steps;
    return {.kind = adjoint::Schedule::Kind::warmup_stable_decay,
            .base = rate,
            .final = final,
            .warmup_steps = warmup_steps,
            .total_steps = total_steps,
            .period = left - std::uint64_t(held * double(left))};
  }
};

}  // namespace plugin

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct SignumStep {
  static constexpr int kMoments = 1;
  T kept, rate, momentum, gain;

  ADJOINT_DEVICE SignumStep(const plugin::SignumOptions& o, const SlabStep& at)
      : kept(T(1 - at.rate * at.weight_decay)),
        rate(T(at.rate)),
        momentum(T(o.momentum)),
        gain(T(1 - o.momentum)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& m) const {
    m = momentum * m + gain * g;
    p = p * kept - (m > 0 ? rate : m < 0 ? -rate : 0);
  }
};

UpdateRule signum_rule(const plugin::SignumOptions& o) {
  return slab_rule<SignumStep>(o, {.moments = {{"m"}}});
}

const bool registered =
    register_update_rule(signum_rule) && register_schedule(plugin::HoldOptions{});

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
