#include "layers/products/linear.h"

#include <cmath>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/column_sum.h"
#include "layers/products/linear_products.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Linear::Linear(const LinearOptions& options) : options_(options) {
  ADJOINT_CHECK(options.out > 0, "Linear: expected a positive number of output features, got ",
                options.out);
  ADJOINT_CHECK(options.in >= 0,
                "Linear: expected input features of 0 (take what comes) or more, got ", options.in);
  ADJOINT_CHECK(options.stored_rows == 0 || options.stored_rows >= options.out,
                "Linear: expected stored_rows of at least ", options.out, ", got ",
                options.stored_rows);
}

Linear::Linear(const Parameter& weight) : weight_(weight) {
  const Shape& shape = weight.shape();
  ADJOINT_CHECK(shape.rank() == 2, "Linear: expected a weight [out, in] of another layer, got ",
                shape.rank() == 0 ? str("one whose shape is not known before it is built")
                                  : str("one of ", shape));
  options_ = {.in = shape[1], .out = shape[0], .bias = false};
}

std::string Linear::describe() const {
  return str("linear(", options_.in ? str(options_.in, " -> ") : "", options_.out,
             options_.bias ? ")" : ", no bias)");
}

Signature Linear::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
                "Linear: expected one floating input [..., features], got ", types_text(x));
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
  builder.parameter(weight_, {.name = "weight",
                              .shape = {options_.out, in},
                              .initializer = options_.weight_initializer.value_or(standard),
                              .stored_rows = options_.stored_rows});
  if (options_.bias)
    builder.parameter(bias_, {.name = "bias",
                              .shape = {options_.out},
                              .initializer = options_.bias_initializer.value_or(standard),
                              .stored_rows = options_.stored_rows});
  if (weight_.trainable()) {  // a product writes both
    builder.writes_float32_gradient(weight_);
    if (options_.bias) builder.writes_float32_gradient(bias_);
  }
  if (!weight_.trainable() && bias_.trainable()) {
    const TensorType& y = builder.outputs()[0];
    bias_scratch_ = builder.scratch(
        "bias gradient",
        column_sum_scratch(y.shape.count() / options_.out, bias_.stored_shape()[0], y.dtype),
        Phase::backward);
  }
}

void Linear::prepare(Context& context, const Signature& x, const ParameterGradients& parameters) {
  const Tensor input(nullptr, x[0].dtype, x[0].shape),
      output(nullptr, x[0].dtype, infer(x)[0].shape);
  const Tensor bias = options_.bias ? bias_.value() : Tensor();
  prepare_linear(context, input, weight_.value(), bias, output, parameters.of(weight_),
                 parameters.of(bias_));
}

void Linear::forward(Context& context, const ForwardCall& call) {
  const Tensor bias = options_.bias ? bias_.value() : Tensor();
  matmul(context, linear_forward(call.x[0], weight_.value(), bias, call.y[0]));
}

void Linear::backward(Context& context, const BackwardCall& call) {
  parameter_gradients(context, call.x[0], call.dy[0], call.parameters.of(weight_),
                      call.parameters.of(bias_));
  if (call.dx[0].wanted())
    matmul(context, linear_input_gradient(call.dy[0], weight_.value(), call.dx[0]));
}

void Linear::parameter_gradients(Context& context, const Tensor& x, const Tensor& dy,
                                 const Gradient& weight, const Gradient& bias) const {
  if (weight.wanted()) {
    matmul(context, linear_weight_gradient(x, dy, weight, bias));
  } else if (bias.wanted()) {  // a frozen weight: no product to ride on
    const Tensor matrix = dy.as_matrix();
    const TensorType scratch = column_sum_scratch(matrix.shape()[0], matrix.shape()[1], dy.dtype());
    column_sum(context.stream(), bias, matrix, bias_scratch_.view(scratch.shape));
  }
}

std::int64_t Linear::multiply_adds(const Signature& x) const {
  return x[0].shape.count() * options_.out;
}

std::int64_t Linear::backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                            const ParameterGradients& parameters) const {
  return multiply_adds(x) * ((parameters.of(weight_).wanted() ? 1 : 0) + (dx[0].wanted() ? 1 : 0));
}

LinearOptions linear_options(Options& options) {
  LinearOptions made{.out = options.integer("out"), .bias = options.flag("bias", true)};
  options.require(made.out > 0, "out", "a positive number of features");
  made.weight_initializer = initializer_option(options, "weight_init");
  made.bias_initializer = initializer_option(options, "bias_init");
  options.require(!made.bias_initializer || !made.bias_initializer->of_matrix(), "bias_init",
                  "an initializer without a fan, such as zeros");
  return made;
}

Value linear(const Value& x, std::int64_t out) { return x.graph().apply(Linear(out), {x}); }

Value linear(const Value& x, const Parameter& weight) {
  return x.graph().apply(Linear(weight), {x});
}

namespace {

LayerCase linear_case(const std::string& name, const LinearOptions& options, const Shape& x) {
  return {name,
          [options] { return std::make_shared<Linear>(options); },
          {CheckInput{{DType::float32, x}}}};
}

const bool kRegistered = register_layer({
    .kind = "linear",
    .make = [](Options& options) { return std::make_shared<Linear>(linear_options(options)); },
    .example = {{"out", 5}},
    .cases = {linear_case("linear", {.out = 5}, {4, 7}),
              linear_case("linear/no bias", {.out = 3, .bias = false}, {4, 7}),
              linear_case("linear/three axes", {.out = 6}, {2, 3, 5}),
              linear_case("linear/one row and feature", {.out = 1}, {1, 1})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
