#include "layers/activations/softplus.h"

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Softplus::Softplus(double beta, double threshold)
    : Pointwise(pointwise("softplus", SoftplusFunction{beta, threshold},
                          str("softplus(", beta, ", ", threshold, ")"))) {
  ADJOINT_CHECK(beta > 0.0 && beta < std::numeric_limits<double>::infinity(),
                "softplus: expected a positive beta, got ", beta);
  ADJOINT_CHECK(threshold == threshold, "softplus: expected a threshold, got NaN");
}

Value softplus(const Value& x, double beta, double threshold) {
  return x.graph().apply(Softplus(beta, threshold), {x});
}

namespace {
const bool kRegistered =
    register_pointwise("softplus",
                       [](Options& options) {
                         const double beta = options.number("beta", 1.0);
                         options.require(beta > 0.0, "beta", "a positive number");
                         return std::make_shared<Softplus>(beta, options.number("threshold", 20.0));
                       },
                       {pointwise_case("softplus", Softplus(), 4.0),
                        pointwise_case("softplus/beta", Softplus(2.0, 3.0), 2.0)});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
