#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Pointwise::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype), kind(),
                ": expected one floating input, got ", types_text(x));
  return x;
}

Traits Pointwise::traits() const {
  return {.backward_reads_x = !operations_.backward_from_y,
          .backward_reads_y = operations_.backward_from_y,
          .forward_in_place = operations_.backward_from_y,
          .backward_in_place = true};
}

void Pointwise::forward(Context& context, const ForwardCall& call) {
  operations_.forward(context.stream(), call.y[0], call.x[0]);
}

void Pointwise::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  operations_.backward(context.stream(), call.dx[0],
                       operations_.backward_from_y ? call.y[0] : call.x[0], call.dy[0]);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
