#include "layers/selu.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

SELU::SELU() : Pointwise(pointwise("selu", Selu{})) {}

Value selu(const Value& x) { return x.graph().apply(SELU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("selu", Selu{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
