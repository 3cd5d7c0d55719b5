#include "layers/activations/relu6.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ReLU6::ReLU6() : Pointwise(pointwise("relu6", Relu6{})) {}

Value relu6(const Value& x) { return x.graph().apply(ReLU6(), {x}); }

namespace {
const bool kRegistered = register_pointwise("relu6", Relu6{}, 4.0);
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
