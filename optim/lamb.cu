// LAMB: the formulas stand at LambOptions in optim/rules.h. Norms must be whole before a
// parameter changes, so an update is two launches: moments and norms (kernels/lamb_norms.h), then
// this.
#include "core/update/slab_rule.cuh"
#include "kernels/lamb_direction.cuh"
#include "kernels/lamb_norms.h"
#include "optim/rules.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// LambOptions and the results of the first launch.
struct LambCall {
  static constexpr const char* kType = LambOptions::kType;
  double epsilon;
  const double* ratio;  // [parameters]
};

template <class T>
struct LambStep {
  static constexpr int kMoments = 2;
  using ReadsMomentsOnly = void;
  LambDirection<T> direction;
  T rate;

  ADJOINT_DEVICE LambStep(const LambCall& call, const SlabStep& at)
      : direction(call.epsilon, at), rate(T(at.rate * call.ratio[at.parameter])) {}
  ADJOINT_DEVICE void operator()(T, T& p, T& m, T& v) const { p -= rate * direction(p, m, v); }
};

UpdateRule lamb_rule(const LambOptions& o) {
  UpdateRule rule{.name = o.kName,
                  .moments = {{"m"}, {"v"}},
                  .learning_rate = o.learning_rate,
                  .weight_decay = o.weight_decay,
                  .beta1 = o.beta1,
                  .beta2 = o.beta2,
                  .squares_gradient = true,
                  .by_parameter = true};
  rule.update = [o](Stream& stream, const SlabUpdate& call) {
    lamb_norms(stream, call, {.beta1 = o.beta1, .beta2 = o.beta2, .epsilon = o.epsilon});
    launch_slab_update<LambStep>(stream, call, LambCall{o.epsilon, call.norms.ratio});
  };
  return rule;
}

const bool registered = register_update_rule(lamb_rule);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
