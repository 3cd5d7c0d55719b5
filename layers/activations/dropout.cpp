#include "layers/activations/dropout.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/add.h"
#include "kernels/dropout.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Dropout::Dropout(double p) : p_(p) {
  ADJOINT_CHECK(p >= 0.0 && p < 1.0,
                "dropout: expected a probability of at least 0 and below 1, got ", p);
}

Signature Dropout::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype),
                "dropout: expected one floating input, got ", types_text(x));
  return x;
}

void Dropout::forward(Context& context, const ForwardCall& call) {
  const Gradient y{call.y[0], GradientMode::overwrite};
  if (context.training())
    dropout(context.stream(), y, call.x[0], p_, context.random(), place_);
  else
    contribute(context.stream(), y, call.x[0]);
}

void Dropout::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  if (context.training())
    dropout(context.stream(), call.dx[0], call.dy[0], p_, context.random(), place_);
  else
    contribute(context.stream(), call.dx[0], call.dy[0]);
}

Value dropout(const Value& x, double p) { return x.graph().apply(Dropout(p), {x}); }

namespace {
const bool kRegistered = register_layer({
    .kind = "dropout",
    .make = [](Options& options) { return std::make_shared<Dropout>(options.number("p", 0.5)); },
    .cases = {{"dropout",
               [] { return std::make_shared<Dropout>(0.3); },
               {{{DType::float32, {5, 13}}}}}},
});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
