#include "layers/shapes/flatten.h"

#include "core/graph/registry.h"
#include "kernels/add.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Flatten::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && x[0].shape.rank() >= 1,
                "flatten: expected one input [batch, ...], got ", types_text(x));
  std::int64_t features = 1;
  for (int axis = 1; axis < x[0].shape.rank(); ++axis) features *= x[0].shape[axis];
  return {{x[0].dtype, {x[0].shape[0], features}}};
}

// Both do nothing where the planner made the two tensors one, as it does for all views.
void Flatten::forward(Context& context, const ForwardCall& call) {
  contribute(context.stream(), {call.y[0], GradientMode::overwrite},
             call.x[0].reshaped(call.y[0].shape()));
}

void Flatten::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  contribute(context.stream(), call.dx[0], call.dy[0].reshaped(call.dx[0].tensor.shape()));
}

Value flatten(const Value& x) { return x.graph().apply(Flatten(), {x}); }

namespace {
const bool kRegistered = register_layer({
    .kind = "flatten",
    .make = [](Options&) { return std::make_shared<Flatten>(); },
    .cases = {{"flatten",
               [] { return std::make_shared<Flatten>(); },
               {{{DType::float32, {3, 2, 5}}}}}},
});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
