#include "layers/gelu.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

GELU::GELU() : Pointwise(pointwise("gelu", GeluTanh{})) {}

Value gelu(const Value& x) { return x.graph().apply(GELU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("gelu", GeluTanh{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
