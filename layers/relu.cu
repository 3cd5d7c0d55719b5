#include "layers/relu.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

ReLU::ReLU() : Pointwise(pointwise("relu", Relu{})) {}

Value relu(const Value& x) { return x.graph().apply(ReLU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("relu", Relu{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
