#include "layers/mish.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

Mish::Mish() : Pointwise(pointwise("mish", MishFunction{})) {}

Value mish(const Value& x) { return x.graph().apply(Mish(), {x}); }

namespace {
const bool kRegistered = register_pointwise("mish", MishFunction{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
