#include "layers/activations/mish.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Mish::Mish() : Pointwise(pointwise("mish", MishFunction{})) {}

Value mish(const Value& x) { return x.graph().apply(Mish(), {x}); }

namespace {
const bool kRegistered = register_pointwise("mish", MishFunction{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
