#include "layers/activations/silu.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

SiLU::SiLU() : Pointwise(pointwise("silu", Silu{})) {}

Value silu(const Value& x) { return x.graph().apply(SiLU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("silu", Silu{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
