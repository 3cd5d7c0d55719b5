#include "layers/activations/prelu.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/prelu.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ChannelShape PReLU::channels(const Shape& x) const {
  if (per_channel_) return channel_shape("prelu", x);
  return {x[0], 1, x[0] == 0 ? 1 : x.count() / x[0]};
}

Signature PReLU::infer(const Signature& x) const {
  ADJOINT_CHECK(
      x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= (per_channel_ ? 2 : 1),
      "prelu: expected one floating input [batch, ", per_channel_ ? "channels, ...]" : "...]",
      ", got ", types_text(x));
  return x;
}

void PReLU::build(Builder& builder) {
  const TensorType& x = builder.inputs()[0];
  const ChannelShape shape = channels(x.shape);
  builder.parameter(slope_, {"slope", {shape.channels}, Initializer::constant(0.25f)});
  scratch_ = builder.scratch("slope gradient", prelu_scratch(shape, x.dtype), Phase::backward);
}

void PReLU::forward(Context& context, const ForwardCall& call) {
  prelu_forward(context.stream(), channels(call.x[0].shape()), call.y[0], call.x[0],
                slope_.value());
}

void PReLU::backward(Context& context, const BackwardCall& call) {
  const ChannelShape shape = channels(call.x[0].shape());
  prelu_backward(context.stream(), shape,
                 {.dx = call.dx[0],
                  .slope_grad = call.parameters.of(slope_),
                  .x = call.x[0],
                  .dy = call.dy[0],
                  .slope = slope_.value(),
                  .scratch = scratch_.view(shape.partials())});
}

Value prelu(const Value& x, bool per_channel) { return x.graph().apply(PReLU(per_channel), {x}); }

namespace {

LayerCase prelu_case(const std::string& name, bool per_channel, const Shape& x) {
  return {name,
          [per_channel] { return std::make_shared<PReLU>(per_channel); },
          {CheckInput{{DType::float32, x}}}};
}

const bool kRegistered = register_layer({
    .kind = "prelu",
    .make =
        [](Options& options) {
          return std::make_shared<PReLU>(options.flag("per_channel", false));
        },
    .cases = {prelu_case("prelu", false, {7, 19}), prelu_case("prelu/features", true, {5, 8}),
              prelu_case("prelu/channels", true, {2, 3, 5, 3})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
