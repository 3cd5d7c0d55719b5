// RAdam: the formulas stand at RAdamOptions in optim/rules.h.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct RAdamStep {
  static constexpr int kMoments = 2;
  T decay, gain1, beta2, gain2, epsilon, step_size;
  bool rectified;

  ADJOINT_DEVICE RAdamStep(const RAdamOptions& o, const SlabStep& at)
      : decay(T(at.weight_decay)),
        gain1(T(1 - o.beta1)),
        beta2(T(o.beta2)),
        gain2(T(1 - o.beta2)),
        epsilon(T(o.epsilon)) {
    const double rho = 2 / (1 - o.beta2) - 1, correction = at.state.bias_correction2;
    const double rho_t = rho - 2 * double(at.state.step) * (1 - correction) / correction;
    rectified = rho_t > 5;
    const double variance = (rho_t - 4) * (rho_t - 2) * rho / ((rho - 4) * (rho - 2) * rho_t);
    const double size = at.rate * at.state.first_factor;
    step_size = T(rectified ? size * std::sqrt(variance * correction) : size);
  }
  ADJOINT_DEVICE void operator()(T g, T& p, T& m, T& v) const {
    const T total = g + decay * p;
    m += gain1 * (total - m);
    v = beta2 * v + gain2 * total * total;
    const T direction = m / (std::sqrt(v) + epsilon);
    p -= step_size * (rectified ? direction : m);
  }
};

UpdateRule radam_rule(const RAdamOptions& o) {
  return slab_rule<RAdamStep>(
      o, {.moments = {{"m"}, {"v"}}, .beta1 = o.beta1, .beta2 = o.beta2, .squares_gradient = true});
}

const bool registered = register_update_rule(radam_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
