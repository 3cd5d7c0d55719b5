#include "layers/linear.h"

#include <cmath>

#include "layers/linear_products.h"

namespace adjoint::inline ADJOINT_BACKEND {

Linear::Linear(const LinearOptions& options) : options_(options) {
  ADJOINT_CHECK(options.out > 0, "Linear: expected a positive number of output features, got ",
                options.out);
  ADJOINT_CHECK(options.in >= 0,
                "Linear: expected input features of 0 (take what comes) or more, got ", options.in);
}

std::string Linear::describe() const {
  return str("linear(", options_.in ? str(options_.in, " -> ") : "", options_.out,
             options_.bias ? ")" : ", no bias)");
}

Signature Linear::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
                "Linear: expected one floating input [..., features]");
  const std::int64_t in = x[0].shape[-1];
  ADJOINT_CHECK(options_.in == 0 || in == options_.in, "Linear: expected ", options_.in,
                " input features in the last axis, got ", in);
  return {{x[0].dtype, x[0].shape.with(-1, options_.out)}};
}

Traits Linear::traits() const { return {.backward_reads_x = true}; }

void Linear::build(Builder& builder) {
  const std::int64_t in = builder.inputs()[0].shape[-1];
  ADJOINT_CHECK(in > 0, "Linear: expected at least one input feature, got ", builder.inputs()[0]);
  const Initializer standard = Initializer::uniform(1.0f / std::sqrt(static_cast<float>(in)));
  builder.parameter(weight_,
                    {"weight", {options_.out, in}, options_.weight_initializer.value_or(standard)});
  if (options_.bias)
    builder.parameter(bias_,
                      {"bias", {options_.out}, options_.bias_initializer.value_or(standard)});
}

void Linear::prepare(Context& context, const Signature& x) {
  const Tensor input(nullptr, x[0].dtype, x[0].shape),
      output(nullptr, x[0].dtype, infer(x)[0].shape);
  const Tensor bias = options_.bias ? bias_.value() : Tensor();
  prepare_matmul(context, linear_forward(input, weight_.value(), bias, output));
  for (GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
    const Gradient weight_gradient{weight_.gradient().tensor, mode};
    const Gradient bias_gradient =
        options_.bias ? Gradient{bias_.gradient().tensor, mode} : Gradient{};
    if (weight_.trainable())
      prepare_matmul(context,
                     linear_weight_gradient(input, output, weight_gradient, bias_gradient));
    prepare_matmul(context, linear_input_gradient(output, weight_.value(), {input, mode}));
  }
}

void Linear::forward(Context& context, const ForwardCall& call) {
  const Tensor bias = options_.bias ? bias_.value() : Tensor();
  matmul(context, linear_forward(call.x[0], weight_.value(), bias, call.y[0]));
}

void Linear::backward(Context& context, const BackwardCall& call) {
  const Gradient bias = options_.bias ? bias_.gradient() : Gradient{};
  if (weight_.gradient().wanted())
    matmul(context, linear_weight_gradient(call.x[0], call.dy[0], weight_.gradient(), bias));
  if (call.dx[0].wanted())
    matmul(context, linear_input_gradient(call.dy[0], weight_.value(), call.dx[0]));
}

std::int64_t Linear::multiply_adds(const Signature& x) const {
  return x[0].shape.count() * options_.out;
}

Value linear(const Value& x, std::int64_t out) { return x.graph().apply(Linear(out), {x}); }

}  // namespace adjoint::inline ADJOINT_BACKEND
