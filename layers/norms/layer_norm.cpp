#include "layers/norms/layer_norm.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/add.h"
#include "kernels/layer_norm.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

LayerNorm::LayerNorm(std::int64_t features, double epsilon)
    : features_(features), epsilon_(epsilon) {
  ADJOINT_CHECK(features >= 0, "layer_norm: expected features of 0 (take what comes) or more, got ",
                features);
  ADJOINT_CHECK(epsilon > 0, "layer_norm: expected a positive epsilon, got ", epsilon);
}

Signature LayerNorm::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
                "layer_norm: expected one floating input [..., features], got ", types_text(x));
  ADJOINT_CHECK(features_ == 0 || x[0].shape[-1] == features_, "layer_norm: expected ", features_,
                " features, got ", x[0].shape[-1]);
  return x;
}

void LayerNorm::build(Builder& builder) {
  const TensorType& x = builder.inputs()[0];
  const std::int64_t features = x.shape[-1];
  ADJOINT_CHECK(features > 0, "layer_norm: expected at least one feature, got ", x);
  const std::int64_t rows = x.shape.count() / features;
  const DType statistics = accumulation_type(x.dtype);
  builder.parameter(weight_, {"weight", {features}, Initializer::constant(1.0f)});
  builder.parameter(bias_, {"bias", {features}, Initializer::constant(0.0f)});
  mean_ = builder.saved("mean", {statistics, {rows}});
  rstd_ = builder.saved("rstd", {statistics, {rows}});
  scratch_ = builder.scratch("parameter gradients", layer_norm_scratch(rows, features, x.dtype),
                             Phase::backward);
}

void LayerNorm::forward(Context& context, const ForwardCall& call) {
  const std::int64_t rows = call.x[0].as_matrix().shape()[0];
  layer_norm_forward(context.stream(), {.y = call.y[0],
                                        .mean = mean_.view({rows}),
                                        .rstd = rstd_.view({rows}),
                                        .x = call.x[0],
                                        .weight = weight_.value(),
                                        .bias = bias_.value(),
                                        .epsilon = epsilon_});
}

void LayerNorm::backward(Context& context, const BackwardCall& call) {
  backward_with(context, call.x[0], call.dy[0], Tensor(), call.dx[0], call.parameters);
}

void LayerNorm::forward_of_sum(Context& context, const Tensor& a, const Tensor& b,
                               const Tensor& sum, const Tensor& y) {
  const std::int64_t rows = a.as_matrix().shape()[0];
  layer_norm_forward(context.stream(), {.y = y,
                                        .mean = mean_.view({rows}),
                                        .rstd = rstd_.view({rows}),
                                        .x = a,
                                        .addend = b,
                                        .sum = sum,
                                        .weight = weight_.value(),
                                        .bias = bias_.value(),
                                        .epsilon = epsilon_});
}

void LayerNorm::backward_with(Context& context, const Tensor& x, const Tensor& dy,
                              const Tensor& extra, const Gradient& dx,
                              const ParameterGradients& parameters) {
  const Tensor matrix = x.as_matrix();
  const std::int64_t rows = matrix.shape()[0];
  layer_norm_backward(
      context.stream(),
      {.dx = dx,
       .weight_grad = parameters.of(weight_),
       .bias_grad = parameters.of(bias_),
       .x = x,
       .dy = dy,
       .extra = extra,
       .weight = weight_.value(),
       .mean = mean_.view({rows}),
       .rstd = rstd_.view({rows}),
       .scratch = scratch_.view(layer_norm_scratch(rows, matrix.shape()[1], x.dtype()).shape)});
}

void LayerNorm::no_parameter_gradients(Context& context, const ParameterGradients& parameters) {
  contribute_zeros(context.stream(), parameters.of(weight_));
  contribute_zeros(context.stream(), parameters.of(bias_));
}

LayerNorm layer_norm_of(Options& options) { return LayerNorm(0, options.number("epsilon", 1e-5)); }

Value layer_norm(const Value& x) { return x.graph().apply(LayerNorm(), {x}); }

namespace {
const bool kRegistered = register_layer({
    .kind = "layer_norm",
    .make = [](Options& options) { return std::make_shared<LayerNorm>(layer_norm_of(options)); },
    .cases = {{"layer_norm",
               [] { return std::make_shared<LayerNorm>(); },
               {CheckInput{{DType::float32, {5, 19}}, 0.5}}}},
});
}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
