#include "layers/arithmetic/mul.h"

#include "core/graph/registry.h"
#include "kernels/mul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Mul::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0] == x[1],
                "mul: expected two floating inputs of one type and shape, got ", types_text(x));
  return {x[0]};
}

void Mul::forward(Context& context, const ForwardCall& call) {
  mul(context.stream(), {call.y[0], GradientMode::overwrite}, call.x[0], call.x[1]);
}

void Mul::backward(Context& context, const BackwardCall& call) {
  mul(context.stream(), call.dx[0], call.dy[0], call.x[1]);
  mul(context.stream(), call.dx[1], call.dy[0], call.x[0]);
}

Value mul(const Value& a, const Value& b) { return a.graph().apply(Mul(), {a, b}); }

namespace {
const bool kRegistered = register_layer({
    .kind = "mul",
    .arity = Arity::of(2),
    .make = [](Options&) { return std::make_shared<Mul>(); },
    .cases = {{"mul",
               [] { return std::make_shared<Mul>(); },
               {{{DType::float32, {3, 7}}}, {{DType::float32, {3, 7}}}}},
              {"mul/three axes",
               [] { return std::make_shared<Mul>(); },
               {{{DType::float32, {2, 5, 8}}}, {{DType::float32, {2, 5, 8}}}}}},
});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
