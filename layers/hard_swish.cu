#include "layers/hard_swish.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

HardSwish::HardSwish() : Pointwise(pointwise("hard_swish", HardSwishFunction{})) {}

Value hard_swish(const Value& x) { return x.graph().apply(HardSwish(), {x}); }

namespace {
const bool kRegistered = register_pointwise("hard_swish", HardSwishFunction{}, 3.0);
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
