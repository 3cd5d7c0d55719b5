#include "layers/sigmoid.h"

#include "kernels/activation.h"
#include "layers/pointwise.cuh"

namespace adjoint::inline ADJOINT_BACKEND {

Sigmoid::Sigmoid() : Pointwise(pointwise("sigmoid", SigmoidFunction{})) {}

Value sigmoid(const Value& x) { return x.graph().apply(Sigmoid(), {x}); }

namespace {
const bool kRegistered = register_pointwise("sigmoid", SigmoidFunction{});
}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
