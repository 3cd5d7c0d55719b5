#include "layers/norms/rms_norm.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/rms_norm.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

RMSNorm::RMSNorm(std::int64_t features, double epsilon) : features_(features), epsilon_(epsilon) {
  ADJOINT_CHECK(features >= 0, "rms_norm: expected features of 0 (take what comes) or more, got ",
                features);
  ADJOINT_CHECK(epsilon > 0, "rms_norm: expected a positive epsilon, got ", epsilon);
}

Signature RMSNorm::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
                "rms_norm: expected one floating input [..., features], got ", types_text(x));
  ADJOINT_CHECK(features_ == 0 || x[0].shape[-1] == features_, "rms_norm: expected ", features_,
                " features, got ", x[0].shape[-1]);
  return x;
}

void RMSNorm::build(Builder& builder) {
  const TensorType& x = builder.inputs()[0];
  const std::int64_t features = x.shape[-1];
  ADJOINT_CHECK(features > 0, "rms_norm: expected at least one feature, got ", x);
  const std::int64_t rows = x.shape.count() / features;
  builder.parameter(weight_, {"weight", {features}, Initializer::constant(1.0f)});
  rrms_ = builder.saved("rrms", {accumulation_type(x.dtype), {rows}});
  scratch_ = builder.scratch("weight gradient", rms_norm_scratch(rows, features, x.dtype),
                             Phase::backward);
}

void RMSNorm::forward(Context& context, const ForwardCall& call) {
  const std::int64_t rows = call.x[0].as_matrix().shape()[0];
  rms_norm_forward(context.stream(), call.y[0], rrms_.view({rows}), call.x[0], weight_.value(),
                   epsilon_);
}

void RMSNorm::backward(Context& context, const BackwardCall& call) {
  const Shape matrix = call.x[0].as_matrix().shape();
  const TensorType scratch = rms_norm_scratch(matrix[0], matrix[1], call.x[0].dtype());
  rms_norm_backward(context.stream(), {.dx = call.dx[0],
                                       .weight_grad = call.parameters.of(weight_),
                                       .x = call.x[0],
                                       .dy = call.dy[0],
                                       .weight = weight_.value(),
                                       .rrms = rrms_.view({matrix[0]}),
                                       .scratch = scratch_.view(scratch.shape)});
}

Value rms_norm(const Value& x) { return x.graph().apply(RMSNorm(), {x}); }

namespace {

LayerCase rms_norm_case(const std::string& name, double epsilon, const Shape& x) {
  return {name,
          [epsilon] { return std::make_shared<RMSNorm>(0, epsilon); },
          {CheckInput{{DType::float32, x}, 0.5}}};
}

const bool kRegistered = register_layer({
    .kind = "rms_norm",
    .make =
        [](Options& options) {
          const double epsilon = options.number("epsilon", 1e-5);
          options.require(epsilon > 0, "epsilon", "a positive number");
          return std::make_shared<RMSNorm>(0, epsilon);
        },
    .cases = {rms_norm_case("rms_norm", 1e-5, {5, 19}),
              rms_norm_case("rms_norm/three axes", 0.1, {2, 3, 8})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
