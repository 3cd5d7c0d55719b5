#include "layers/activations/softmax.h"

#include "core/graph/registry.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Softmax::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1, kind(),
                ": expected one floating input [..., classes], got ", types_text(x));
  return x;
}

void Softmax::forward(Context& context, const ForwardCall& call) {
  softmax_forward(context.stream(), form_, call.y[0], call.x[0]);
}

void Softmax::backward(Context& context, const BackwardCall& call) {
  softmax_backward(context.stream(), form_, call.dx[0], call.y[0], call.dy[0]);
}

Value softmax(const Value& x) { return x.graph().apply(Softmax(), {x}); }
Value log_softmax(const Value& x) { return x.graph().apply(Softmax(SoftmaxForm::logarithm), {x}); }

namespace {

LayerCase softmax_case(const std::string& name, SoftmaxForm form, const Shape& x) {
  return {name,
          [form] { return std::make_shared<Softmax>(form); },
          {CheckInput{{DType::float32, x}, 0.0, 2.0}}};
}

bool register_form(const std::string& kind, SoftmaxForm form) {
  return register_layer({.kind = kind,
                         .make = [form](Options&) { return std::make_shared<Softmax>(form); },
                         .cases = {softmax_case(kind, form, {5, 7}),
                                   softmax_case(kind + "/three axes", form, {2, 3, 8})}});
}

const bool kRegistered = register_form("softmax", SoftmaxForm::plain);
const bool kLogarithmRegistered = register_form("log_softmax", SoftmaxForm::logarithm);

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
