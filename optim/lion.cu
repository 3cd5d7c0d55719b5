// Lion: the formulas stand at LionOptions in optim/rules.h.
#include "core/update/slab_rule.cuh"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct LionStep {
  static constexpr int kMoments = 1;
  T kept, rate, beta1, gain1, beta2, gain2;

  ADJOINT_DEVICE LionStep(const LionOptions& o, const SlabStep& at)
      : kept(T(1 - at.rate * at.weight_decay)),
        rate(T(at.rate)),
        beta1(T(o.beta1)),
        gain1(T(1 - o.beta1)),
        beta2(T(o.beta2)),
        gain2(T(1 - o.beta2)) {}
  ADJOINT_DEVICE void operator()(T g, T& p, T& m) const {
    const T u = beta1 * m + gain1 * g;
    p = p * kept - (u > 0 ? rate : u < 0 ? -rate : 0);
    m = beta2 * m + gain2 * g;
  }
};

UpdateRule lion_rule(const LionOptions& o) { return slab_rule<LionStep>(o, {.moments = {{"m"}}}); }

const bool registered = register_update_rule(lion_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
