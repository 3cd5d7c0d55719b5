#include "layers/activations/hard_sigmoid.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

HardSigmoid::HardSigmoid() : Pointwise(pointwise("hard_sigmoid", HardSigmoidFunction{})) {}

Value hard_sigmoid(const Value& x) { return x.graph().apply(HardSigmoid(), {x}); }

namespace {
const bool kRegistered = register_pointwise("hard_sigmoid", HardSigmoidFunction{}, 3.0);
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
