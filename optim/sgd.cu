// SGD: the formulas stand at SgdOptions in optim/rules.h. Without momentum no velocity is moved.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct SgdStep {
  static constexpr int kMoments = 1;
  T rate, decay, momentum, taken;
  bool nesterov;

  ADJOINT_DEVICE SgdStep(const SgdOptions& o, const SlabStep& at)
      : rate(T(at.rate)),
        decay(T(at.weight_decay)),
        momentum(T(o.momentum)),
        taken(T(at.state.step == 1 ? 1 : 1 - o.dampening)),
        nesterov(o.nesterov) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& v) const {
    const T total = g + decay * p;
    v = momentum * v + taken * total;
    p -= rate * (nesterov ? total + momentum * v : v);
  }
};

UpdateRule sgd_rule(const SgdOptions& o) {
  return slab_rule<SgdStep>(o, {.moments = {{"v", o.momentum != 0}}});
}

const bool registered = register_update_rule(sgd_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
