#include "layers/activations/hard_swish.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

HardSwish::HardSwish() : Pointwise(pointwise("hard_swish", HardSwishFunction{})) {}

Value hard_swish(const Value& x) { return x.graph().apply(HardSwish(), {x}); }

namespace {
const bool kRegistered = register_pointwise("hard_swish", HardSwishFunction{}, 3.0);
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
