// Adagrad: the formulas stand at AdagradOptions in optim/rules.h.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct AdagradStep {
  static constexpr int kMoments = 1;
  T rate, decay, epsilon;

  ADJOINT_DEVICE AdagradStep(const AdagradOptions& o, const SlabStep& at)
      : rate(T(at.rate / (1 + double(at.state.step - 1) * o.rate_decay))),
        decay(T(at.weight_decay)),
        epsilon(T(o.epsilon)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& v) const {
    const T total = g + decay * p;
    v += total * total;
    p -= rate * (total / (std::sqrt(v) + epsilon));
  }
};

UpdateRule adagrad_rule(const AdagradOptions& o) {
  return slab_rule<AdagradStep>(
      o, {.moments = {{"v", true, o.initial_accumulator}}, .squares_gradient = true});
}

const bool registered = register_update_rule(adagrad_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
