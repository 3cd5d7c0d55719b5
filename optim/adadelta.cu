// Adadelta: the formulas stand at AdadeltaOptions in optim/rules.h.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct AdadeltaStep {
  static constexpr int kMoments = 2;
  T rate, decay, rho, gain, epsilon;

  ADJOINT_DEVICE AdadeltaStep(const AdadeltaOptions& o, const SlabStep& at)
      : rate(T(at.rate)),
        decay(T(at.weight_decay)),
        rho(T(o.rho)),
        gain(T(1 - o.rho)),
        epsilon(T(o.epsilon)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& v, T& d) const {
    const T total = g + decay * p;
    v = rho * v + gain * total * total;
    const T u = std::sqrt(d + epsilon) / std::sqrt(v + epsilon) * total;
    d = rho * d + gain * u * u;
    p -= rate * u;
  }
};

UpdateRule adadelta_rule(const AdadeltaOptions& o) {
  return slab_rule<AdadeltaStep>(o, {.moments = {{"v"}, {"d"}}, .squares_gradient = true});
}

const bool registered = register_update_rule(adadelta_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
