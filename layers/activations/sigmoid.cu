#include "layers/activations/sigmoid.h"

#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Sigmoid::Sigmoid() : Pointwise(pointwise("sigmoid", SigmoidFunction{})) {}

Value sigmoid(const Value& x) { return x.graph().apply(Sigmoid(), {x}); }

namespace {
const bool kRegistered = register_pointwise("sigmoid", SigmoidFunction{});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
