// The rule of core/update/README.md, as it stands there.
#include "core/update/slab_rule.cuh"

// README begins
struct SignOptions {
  static constexpr const char* kName = "SignSGD";
  static constexpr const char* kType = "sign";  // type = "sign" in [optim]
  double learning_rate = 1e-3, weight_decay = 0;
  bool operator==(const SignOptions&) const = default;
  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

namespace adjoint {
inline namespace ADJOINT_BACKEND {
template <class T>
struct SignStep {
  static constexpr int kMoments = 0;
  T rate, decay;
  ADJOINT_DEVICE SignStep(const SignOptions&, const SlabStep& at)
      : rate(T(at.rate)), decay(T(at.weight_decay)) {}
  ADJOINT_DEVICE void operator()(T g, T& p) const {
    const T total = g + decay * p;
    p -= total > 0 ? rate : total < 0 ? -rate : 0;
  }
};
UpdateRule sign_rule(const SignOptions& o) { return slab_rule<SignStep>(o, {}); }
const bool registered = register_update_rule(sign_rule);
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
// README ends
