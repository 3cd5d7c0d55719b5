#include "layers/activations/tanh.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Tanh::Tanh() : Pointwise(pointwise("tanh", TanhFunction{})) {}

Value tanh(const Value& x) { return x.graph().apply(Tanh(), {x}); }

namespace {
const bool kRegistered = register_pointwise("tanh", TanhFunction{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
