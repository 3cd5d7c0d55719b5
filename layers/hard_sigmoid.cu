#include "layers/hard_sigmoid.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

HardSigmoid::HardSigmoid() : Pointwise(pointwise("hard_sigmoid", HardSigmoidFunction{})) {}

Value hard_sigmoid(const Value& x) { return x.graph().apply(HardSigmoid(), {x}); }

namespace {
const bool kRegistered = register_pointwise("hard_sigmoid", HardSigmoidFunction{}, 3.0);
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
