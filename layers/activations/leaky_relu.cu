#include "layers/activations/leaky_relu.h"

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

LeakyReLU::LeakyReLU(double slope)
    : Pointwise(pointwise("leaky_relu", LeakyRelu{slope}, str("leaky_relu(", slope, ")"))) {
  ADJOINT_CHECK(slope >= 0.0 && slope < std::numeric_limits<double>::infinity(),
                "leaky_relu: expected a slope of at least 0, got ", slope);
}

Value leaky_relu(const Value& x, double slope) { return x.graph().apply(LeakyReLU(slope), {x}); }

namespace {
const bool kRegistered =
    register_pointwise("leaky_relu",
                       [](Options& options) {
                         const double slope = options.number("slope", 0.01);
                         options.require(slope >= 0.0, "slope", "a number of at least 0");
                         return std::make_shared<LeakyReLU>(slope);
                       },
                       {pointwise_case("leaky_relu", LeakyReLU()),
                        pointwise_case("leaky_relu/steep", LeakyReLU(0.3))});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
