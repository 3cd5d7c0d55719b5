// AdamW: the formulas stand at AdamWOptions in optim/rules.h. Bound by memory: of float32
// parameters it reads 16 bytes each (p, g, m, v) and writes 12.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct AdamWStep {
  static constexpr int kMoments = 2;
  T kept, gain1, beta2, gain2, root_factor, epsilon, step_size;

  ADJOINT_DEVICE AdamWStep(const AdamWOptions& o, const SlabStep& at)
      : kept(T(1 - at.rate * at.weight_decay)),
        gain1(T(1 - o.beta1)),
        beta2(T(o.beta2)),
        gain2(T(1 - o.beta2)),
        root_factor(T(at.state.second_factor)),
        epsilon(T(o.epsilon)),
        step_size(T(at.rate * at.state.first_factor)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& m, T& v) const {
    m += gain1 * (g - m);
    v = beta2 * v + gain2 * g * g;
    p = p * kept - step_size * (m / (std::sqrt(v) * root_factor + epsilon));
  }
};

UpdateRule adamw_rule(const AdamWOptions& o) {
  return slab_rule<AdamWStep>(
      o, {.moments = {{"m"}, {"v"}}, .beta1 = o.beta1, .beta2 = o.beta2, .squares_gradient = true});
}

const bool registered = register_update_rule(adamw_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
