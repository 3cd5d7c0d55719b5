// RMSprop: the formulas stand at RmsPropOptions in optim/rules.h. A moment that is not kept reads
// as zero, so that one functor serves all four forms.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct RmsPropStep {
  static constexpr int kMoments = 3;
  T rate, decay, alpha, gain, momentum, epsilon, centered;

  ADJOINT_DEVICE RmsPropStep(const RmsPropOptions& o, const SlabStep& at)
      : rate(T(at.rate)),
        decay(T(at.weight_decay)),
        alpha(T(o.alpha)),
        gain(T(1 - o.alpha)),
        momentum(T(o.momentum)),
        epsilon(T(o.epsilon)),
        centered(T(o.centered ? 1 : 0)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& v, T& a, T& b) const {
    const T total = g + decay * p;
    v = alpha * v + gain * total * total;
    a += gain * (total - a);
    const T spread = v - centered * a * a;
    b = momentum * b + total / (std::sqrt(spread > 0 ? spread : 0) + epsilon);
    p -= rate * b;
  }
};

UpdateRule rmsprop_rule(const RmsPropOptions& o) {
  return slab_rule<RmsPropStep>(
      o, {.moments = {{"v"}, {"a", o.centered}, {"b", o.momentum != 0}}, .squares_gradient = true});
}

const bool registered = register_update_rule(rmsprop_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
