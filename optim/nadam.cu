// NAdam: the formulas stand at NAdamOptions in optim/rules.h. The state keeps 1 - P(t) and
// 1 - 0.96^(t momentum_decay); what belongs to t + 1 is derived here.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

double fade(const NAdamOptions& o) { return std::pow(0.96, o.momentum_decay); }

/// NAdamOptions as the kernel wants them.
struct NAdamConstants {
  static constexpr const char* kType = NAdamOptions::kType;
  NAdamOptions options;
  double fade;
};

template <class T>
struct NAdamStep {
  static constexpr int kMoments = 2;
  T decay, gain1, beta2, gain2, root_factor, epsilon, gradient_size, moment_size;

  ADJOINT_DEVICE NAdamStep(const NAdamConstants& call, const SlabStep& at)
      : decay(T(at.weight_decay)),
        gain1(T(1 - call.options.beta1)),
        beta2(T(call.options.beta2)),
        gain2(T(1 - call.options.beta2)),
        root_factor(T(at.state.second_factor)),
        epsilon(T(call.options.epsilon)) {
    const double faded = at.state.momentum_fade;
    const double mu = call.options.beta1 * (0.5 + 0.5 * faded);
    const double next = call.options.beta1 * (0.5 + 0.5 * (call.fade * faded + (1 - call.fade)));
    const double next_correction = next * at.state.bias_correction1 + (1 - next);
    gradient_size = T(at.rate * (1 - mu) * at.state.first_factor);
    moment_size = T(at.rate * next / next_correction);
  }
  ADJOINT_DEVICE void operator()(T g, T& p, T& m, T& v) const {
    const T total = g + decay * p;
    m += gain1 * (total - m);
    v = beta2 * v + gain2 * total * total;
    p -= (gradient_size * total + moment_size * m) / (std::sqrt(v) * root_factor + epsilon);
  }
};

UpdateRule nadam_rule(const NAdamOptions& o) {
  UpdateRule rule{.name = o.kName,
                  .moments = {{"m"}, {"v"}},
                  .learning_rate = o.learning_rate,
                  .weight_decay = o.weight_decay,
                  .beta1 = o.beta1,
                  .beta2 = o.beta2,
                  .momentum_fade = fade(o),
                  .squares_gradient = true};
  rule.update = [constants = NAdamConstants{o, fade(o)}](Stream& stream, const SlabUpdate& call) {
    launch_slab_update<NAdamStep>(stream, call, constants);
  };
  return rule;
}

const bool registered = register_update_rule(nadam_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
