#include "layers/products/bilinear.h"

#include <cmath>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/column_sum.h"
#include "layers/products/linear_products.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::int64_t rows_of(const Tensor& x) { return x.as_matrix().shape()[0]; }
std::int64_t columns_of(const Tensor& x) { return x.shape()[-1]; }

Tensor columns(const Tensor& x) { return x.reshaped({rows_of(x), columns_of(x), 1}); }
Tensor rows(const Tensor& x) { return x.reshaped({rows_of(x), 1, columns_of(x)}); }
Tensor matrices(const Tensor& pairs, const Tensor& x1, const Tensor& x2) {
  return pairs.reshaped({rows_of(x1), columns_of(x1), columns_of(x2)});
}

/// pairs_ij = x1_i x2_j for each row.
Matmul pair_products(const Tensor& x1, const Tensor& x2, const Tensor& pairs) {
  return {.a = columns(x1), .b = rows(x2), .c = matrices(pairs, x1, x2)};
}

/// dx1_i (+)= sum_j d_ij x2_j, d being the gradient of the pairs.
Matmul first_gradient(const Gradient& dx1, const Tensor& x2, const Tensor& d) {
  return {.a = matrices(d, dx1.tensor, x2),
          .b = columns(x2),
          .c = columns(dx1.tensor),
          .beta = dx1.accumulates() ? 1.0f : 0.0f};
}

/// dx2_j (+)= sum_i x1_i d_ij.
Matmul second_gradient(const Tensor& x1, const Gradient& dx2, const Tensor& d) {
  return {.a = rows(x1),
          .b = matrices(d, x1, dx2.tensor),
          .c = rows(dx2.tensor),
          .beta = dx2.accumulates() ? 1.0f : 0.0f};
}

}  // namespace

Bilinear::Bilinear(std::int64_t out, bool bias) : out_(out), has_bias_(bias) {
  ADJOINT_CHECK(out > 0, "bilinear: expected a positive number of output features, got ", out);
}

std::string Bilinear::describe() const {
  return str("bilinear(", out_, has_bias_ ? ")" : ", no bias)");
}

Signature Bilinear::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0].dtype == x[1].dtype &&
                    x[0].shape.rank() >= 1 && x[0].shape.rank() == x[1].shape.rank() &&
                    x[0].shape.with(-1, 0) == x[1].shape.with(-1, 0),
                "bilinear: expected two floating inputs [..., in1] and [..., in2]", ", got ",
                types_text(x));
  return {{x[0].dtype, x[0].shape.with(-1, out_)}};
}

void Bilinear::build(Builder& builder) {
  const TensorType &x1 = builder.inputs()[0], &x2 = builder.inputs()[1];
  const std::int64_t in1 = x1.shape[-1], in2 = x2.shape[-1];
  ADJOINT_CHECK(in1 > 0 && in2 > 0, "bilinear: expected at least one feature of each input");
  const Initializer initializer = Initializer::uniform(1.0f / std::sqrt(static_cast<float>(in1)));
  builder.parameter(weight_, {"weight", {out_, in1, in2}, initializer});
  if (has_bias_) builder.parameter(bias_, {"bias", {out_}, initializer});
  const std::int64_t rows = x1.shape.count() / in1;
  const TensorType pairs{x1.dtype, {rows, in1 * in2}};
  pairs_ = builder.saved("pairs", pairs);
  pair_gradients_ = builder.scratch("pair gradients", pairs, Phase::backward);
  if (weight_.trainable()) {  // a product writes both
    builder.writes_float32_gradient(weight_);
    if (has_bias_) builder.writes_float32_gradient(bias_);
  }
  if (!weight_.trainable() && has_bias_)
    bias_scratch_ =
        builder.scratch("bias gradient", column_sum_scratch(rows, out_, x1.dtype), Phase::backward);
}

Tensor Bilinear::weight_matrix(const Tensor& weight) const {
  return weight.defined() ? weight.reshaped({out_, weight.count() / out_}) : weight;
}

void Bilinear::prepare(Context& context, const Signature& x, const ParameterGradients& parameters) {
  const Tensor x1(nullptr, x[0].dtype, x[0].shape), x2(nullptr, x[1].dtype, x[1].shape);
  const Tensor y(nullptr, x[0].dtype, infer(x)[0].shape);
  const Tensor pairs(nullptr, x[0].dtype, {rows_of(x1), columns_of(x1) * columns_of(x2)});
  const Tensor weight = weight_matrix(weight_.value());
  prepare_matmul(context, pair_products(x1, x2, pairs));
  prepare_matmul(context, linear_forward(pairs, weight, has_bias_ ? bias_.value() : Tensor(), y));
  prepare_matmul(context, linear_input_gradient(y, weight, {pairs, GradientMode::overwrite}));
  for (GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
    prepare_matmul(context, first_gradient({x1, mode}, x2, pairs));
    prepare_matmul(context, second_gradient(x1, {x2, mode}, pairs));
    const Gradient wanted = parameters.of(weight_), bias = parameters.of(bias_);
    if (wanted.wanted())
      prepare_matmul(context, linear_weight_gradient(
                                  pairs, y, {weight_matrix(wanted.tensor), mode},
                                  bias.wanted() ? Gradient{bias.tensor, mode} : Gradient{}));
  }
}

void Bilinear::forward(Context& context, const ForwardCall& call) {
  const Tensor &x1 = call.x[0], &x2 = call.x[1];
  const Tensor pairs = pairs_.view({rows_of(x1), columns_of(x1) * columns_of(x2)});
  matmul(context, pair_products(x1, x2, pairs));
  matmul(context, linear_forward(pairs, weight_matrix(weight_.value()),
                                 has_bias_ ? bias_.value() : Tensor(), call.y[0]));
}

void Bilinear::backward(Context& context, const BackwardCall& call) {
  const Tensor &x1 = call.x[0], &x2 = call.x[1], &dy = call.dy[0];
  const Shape shape{rows_of(x1), columns_of(x1) * columns_of(x2)};
  const Gradient wanted = call.parameters.of(weight_), bias = call.parameters.of(bias_);
  if (wanted.wanted()) {
    const Gradient weight{weight_matrix(wanted.tensor), wanted.mode};
    matmul(context, linear_weight_gradient(pairs_.view(shape), dy, weight, bias));
  } else if (bias.wanted()) {  // a frozen weight: no product to ride on
    const TensorType scratch = column_sum_scratch(shape[0], out_, dy.dtype());
    column_sum(context.stream(), bias, dy.as_matrix(), bias_scratch_.view(scratch.shape));
  }
  if (!call.dx[0].wanted() && !call.dx[1].wanted()) return;
  const Tensor d = pair_gradients_.view(shape);
  matmul(context,
         linear_input_gradient(dy, weight_matrix(weight_.value()), {d, GradientMode::overwrite}));
  if (call.dx[0].wanted()) matmul(context, first_gradient(call.dx[0], x2, d));
  if (call.dx[1].wanted()) matmul(context, second_gradient(x1, call.dx[1], d));
}

std::int64_t Bilinear::multiply_adds(const Signature& x) const {
  return x[0].shape.count() * x[1].shape[-1] * (out_ + 1);
}

// What comes back to the pairs of features is as large as what went out; each input's gradient is a
// product of it and the other input.
std::int64_t Bilinear::backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                              const ParameterGradients& parameters) const {
  const std::int64_t pairs = x[0].shape.count() * x[1].shape[-1];
  const std::int64_t inputs = (dx[0].wanted() ? 1 : 0) + (dx[1].wanted() ? 1 : 0);
  std::int64_t total = inputs * pairs;
  if (parameters.of(weight_).wanted()) total += pairs * out_;
  if (inputs > 0) total += pairs * out_;
  return total;
}

Value bilinear(const Value& x1, const Value& x2, std::int64_t out) {
  return x1.graph().apply(Bilinear(out), {x1, x2});
}

namespace {

LayerCase bilinear_case(const std::string& name, bool bias, std::int64_t out, const Shape& x1,
                        const Shape& x2) {
  return {name,
          [=] { return std::make_shared<Bilinear>(out, bias); },
          {CheckInput{{DType::float32, x1}}, CheckInput{{DType::float32, x2}}}};
}

const bool kRegistered = register_layer({
    .kind = "bilinear",
    .arity = Arity::of(2),
    .make =
        [](Options& options) {
          const std::int64_t out = options.integer("out");
          options.require(out > 0, "out", "a positive number of features");
          return std::make_shared<Bilinear>(out, options.flag("bias", true));
        },
    .example = {{"out", 4}},
    .cases = {bilinear_case("bilinear", true, 4, {3, 5}, {3, 7}),
              bilinear_case("bilinear/no bias", false, 2, {2, 3, 4}, {2, 3, 1})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
