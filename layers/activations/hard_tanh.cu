#include "layers/activations/hard_tanh.h"

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

HardTanh::HardTanh(double low, double high)
    : Pointwise(pointwise("hard_tanh", HardTanhFunction{low, high},
                          str("hard_tanh(", low, ", ", high, ")"))) {
  ADJOINT_CHECK(low < high, "hard_tanh: expected a low bound below the high one, got ", low,
                " and ", high);
}

Value hard_tanh(const Value& x, double low, double high) {
  return x.graph().apply(HardTanh(low, high), {x});
}

namespace {
const bool kRegistered = register_pointwise(
    "hard_tanh",
    [](Options& options) {
      const double low = options.number("low", -1.0), high = options.number("high", 1.0);
      options.require(low < high, "low", "a number below `high`");
      return std::make_shared<HardTanh>(low, high);
    },
    {pointwise_case("hard_tanh", HardTanh()),
     pointwise_case("hard_tanh/bounds", HardTanh(-0.25, 1.5))});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
