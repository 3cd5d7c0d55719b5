#include "layers/activations/relu.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ReLU::ReLU() : Pointwise(pointwise("relu", Relu{})) {}

Value relu(const Value& x) { return x.graph().apply(ReLU(), {x}); }

namespace {
const bool kRegistered = register_pointwise("relu", Relu{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
