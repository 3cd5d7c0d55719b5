#include "layers/norms/batch_norm.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/batch_norm.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

BatchNorm::BatchNorm(const BatchNormOptions& options) : options_(options) {
  ADJOINT_CHECK(options.channels >= 0,
                "batch_norm: expected channels of 0 (take what comes) or more, got ",
                options.channels);
  ADJOINT_CHECK(options.epsilon > 0, "batch_norm: expected a positive epsilon, got ",
                options.epsilon);
  ADJOINT_CHECK(options.momentum >= 0 && options.momentum <= 1,
                "batch_norm: expected a momentum of 0 to 1, got ", options.momentum);
}

std::string BatchNorm::describe() const {
  const char* const affine = options_.affine ? "" : "not affine";
  const char* const biased = options_.unbiased ? "" : "biased running variance";
  if (options_.affine && options_.unbiased) return "batch_norm";
  return str("batch_norm(", affine, options_.affine || options_.unbiased ? "" : ", ", biased, ")");
}

Signature BatchNorm::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 2,
                "batch_norm: expected one floating input [batch, channels, ...]", ", got ",
                types_text(x));
  ADJOINT_CHECK(options_.channels == 0 || x[0].shape[1] == options_.channels,
                "batch_norm: expected ", options_.channels, " channels in axis 1, got ",
                x[0].shape[1]);
  return x;
}

void BatchNorm::build(Builder& builder) {
  const TensorType& x = builder.inputs()[0];
  const ChannelShape shape = channel_shape("batch_norm", x.shape);
  ADJOINT_CHECK(x.shape.count() > 0, "batch_norm: expected at least one element, got ", x);
  const TensorType statistics{accumulation_type(x.dtype), {shape.channels}};
  if (options_.affine) {
    builder.parameter(weight_, {"weight", {shape.channels}, Initializer::constant(1.0f)});
    builder.parameter(bias_, {"bias", {shape.channels}, Initializer::constant(0.0f)});
  }
  running_mean_ = builder.state("running_mean", statistics, 0.0f);
  running_variance_ = builder.state("running_variance", statistics, 1.0f);
  mean_ = builder.saved("mean", statistics);
  rstd_ = builder.saved("rstd", statistics);
  const TensorType scratch = batch_norm_scratch(shape, x.dtype);
  forward_scratch_ = builder.scratch("moments", scratch, Phase::forward);
  backward_scratch_ = builder.scratch("gradient sums", scratch, Phase::backward);
}

void BatchNorm::forward(Context& context, const ForwardCall& call) {
  const TensorType scratch =
      batch_norm_scratch(channel_shape("batch_norm", call.x[0].shape()), call.x[0].dtype());
  batch_norm_forward(context.stream(), {.y = call.y[0],
                                        .x = call.x[0],
                                        .weight = options_.affine ? weight_.value() : Tensor(),
                                        .bias = options_.affine ? bias_.value() : Tensor(),
                                        .running_mean = running_mean_.tensor(),
                                        .running_variance = running_variance_.tensor(),
                                        .mean = mean_.tensor(),
                                        .rstd = rstd_.tensor(),
                                        .scratch = forward_scratch_.view(scratch.shape),
                                        .training = context.training(),
                                        .momentum = options_.momentum,
                                        .epsilon = options_.epsilon,
                                        .unbiased = options_.unbiased});
}

void BatchNorm::backward(Context& context, const BackwardCall& call) {
  const TensorType scratch =
      batch_norm_scratch(channel_shape("batch_norm", call.x[0].shape()), call.x[0].dtype());
  batch_norm_backward(context.stream(), {.dx = call.dx[0],
                                         .weight_grad = call.parameters.of(weight_),
                                         .bias_grad = call.parameters.of(bias_),
                                         .x = call.x[0],
                                         .dy = call.dy[0],
                                         .weight = options_.affine ? weight_.value() : Tensor(),
                                         .mean = mean_.tensor(),
                                         .rstd = rstd_.tensor(),
                                         .scratch = backward_scratch_.view(scratch.shape),
                                         .training = context.training()});
}

Value batch_norm(const Value& x, const BatchNormOptions& options) {
  return x.graph().apply(BatchNorm(options), {x});
}

namespace {

LayerCase batch_norm_case(const std::string& name, const BatchNormOptions& options, const Shape& x,
                          std::int64_t smallest_batch) {
  return {name,
          [options] { return std::make_shared<BatchNorm>(options); },
          {CheckInput{{DType::float32, x}, 0.5}},
          smallest_batch};
}

const bool kRegistered = register_layer({
    .kind = "batch_norm",
    .make =
        [](Options& options) {
          const BatchNormOptions made{.epsilon = options.number("epsilon", 1e-5),
                                      .momentum = options.number("momentum", 0.1),
                                      .affine = options.flag("affine", true),
                                      .unbiased = options.flag("unbiased", true)};
          options.require(made.epsilon > 0, "epsilon", "a positive number");
          options.require(made.momentum >= 0 && made.momentum <= 1, "momentum",
                          "a number of 0 to 1");
          return std::make_shared<BatchNorm>(made);
        },
    .cases = {batch_norm_case("batch_norm", {}, {6, 19}, 2),
              batch_norm_case("batch_norm/not affine", {.affine = false}, {5, 3}, 2),
              batch_norm_case("batch_norm/images", {}, {2, 3, 5, 3}, 1),
              batch_norm_case("batch_norm/biased", {.unbiased = false}, {4, 7}, 2)},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
