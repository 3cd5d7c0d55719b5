#include "layers/arithmetic/add.h"

#include "core/graph/registry.h"
#include "kernels/add.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Add::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0] == x[1],
                "add: expected two floating inputs of one type and shape, got ", types_text(x));
  return {x[0]};
}

void Add::forward(Context& context, const ForwardCall& call) {
  add(context.stream(), call.y[0], call.x[0], call.x[1]);
}

void Add::backward(Context& context, const BackwardCall& call) {
  for (const Gradient& dx : call.dx)
    if (dx.wanted()) contribute(context.stream(), dx, call.dy[0]);
}

Value add(const Value& a, const Value& b) { return a.graph().apply(Add(), {a, b}); }

namespace {
const bool kRegistered = register_layer({
    .kind = "add",
    .arity = Arity::of(2),
    .make = [](Options&) { return std::make_shared<Add>(); },
    .cases = {{"add",
               [] { return std::make_shared<Add>(); },
               {{{DType::float32, {3, 7}}}, {{DType::float32, {3, 7}}}}}},
});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
