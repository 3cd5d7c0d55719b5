// Adam: the formulas stand at AdamOptions in optim/rules.h.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct AdamStep {
  static constexpr int kMoments = 2;
  T decay, gain1, beta2, gain2, root_factor, epsilon, step_size;

  ADJOINT_DEVICE AdamStep(const AdamOptions& o, const SlabStep& at)
      : decay(T(at.weight_decay)),
        gain1(T(1 - o.beta1)),
        beta2(T(o.beta2)),
        gain2(T(1 - o.beta2)),
        root_factor(T(at.state.second_factor)),
        epsilon(T(o.epsilon)),
        step_size(T(at.rate * at.state.first_factor)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& m, T& v) const {
    const T total = g + decay * p;
    m += gain1 * (total - m);
    v = beta2 * v + gain2 * total * total;
    p -= step_size * (m / (std::sqrt(v) * root_factor + epsilon));
  }
};

UpdateRule adam_rule(const AdamOptions& o) {
  return slab_rule<AdamStep>(
      o, {.moments = {{"m"}, {"v"}}, .beta1 = o.beta1, .beta2 = o.beta2, .squares_gradient = true});
}

const bool registered = register_update_rule(adam_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
