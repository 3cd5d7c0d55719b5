#include "layers/activations/selu.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

SELU::SELU() : Pointwise(pointwise("selu", Selu{})) {}

Value selu(const Value& x) { return x.graph().apply(SELU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("selu", Selu{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
