#include "layers/activations/elu.h"

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ELU::ELU(double alpha) : Pointwise(pointwise("elu", Elu{alpha}, str("elu(", alpha, ")"))) {
  ADJOINT_CHECK(alpha >= 0.0 && alpha < std::numeric_limits<double>::infinity(),
                "elu: expected an alpha of at least 0, got ", alpha);
}

Value elu(const Value& x, double alpha) { return x.graph().apply(ELU(alpha), {x}); }

namespace {
const bool kRegistered =
    register_pointwise("elu",
                       [](Options& options) {
                         const double alpha = options.number("alpha", 1.0);
                         options.require(alpha >= 0.0, "alpha", "a number of at least 0");
                         return std::make_shared<ELU>(alpha);
                       },
                       {pointwise_case("elu", ELU()), pointwise_case("elu/alpha", ELU(0.3))});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
