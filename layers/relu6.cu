#include "layers/relu6.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

ReLU6::ReLU6() : Pointwise(pointwise("relu6", Relu6{})) {}

Value relu6(const Value& x) { return x.graph().apply(ReLU6(), {x}); }

namespace {
const bool kRegistered = register_pointwise("relu6", Relu6{}, 4.0);
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
