#include "core/graph/layer.h"

#include <algorithm>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Signature types_of(std::span<const Tensor> tensors) {
  Signature types;
  types.reserve(tensors.size());
  for (const Tensor& tensor : tensors) types.push_back(tensor.type());
  return types;
}

// `optional`: undefined tensors are fine, and say nothing of the type.
void check_tensors(const Layer& layer, const char* what, std::span<const Tensor> tensors,
                   const Signature& expected, bool optional) {
  ADJOINT_CHECK(tensors.size() == expected.size(), layer.kind(), ": expected ", expected.size(),
                " ", what, ", got ", tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (optional && !tensors[i].defined()) continue;
    ADJOINT_CHECK(
        tensors[i].defined() && tensors[i].type() == expected[i] && tensors[i].contiguous(),
        layer.kind(), ": expected ", what, "[", i, "] to be contiguous ", expected[i], ", got ",
        tensors[i].defined() ? str(tensors[i].type()) : "no tensor");
  }
}

void check_gradients(const Layer& layer, std::span<const Gradient> dx, const Signature& x) {
  ADJOINT_CHECK(dx.size() == x.size(), layer.kind(), ": expected ", x.size(), " dx, got ",
                dx.size());
  for (std::size_t i = 0; i < dx.size(); ++i) {
    if (!dx[i].wanted()) continue;
    ADJOINT_CHECK(is_floating(x[i].dtype), layer.kind(), ": x[", i, "] is ", x[i],
                  ", which has no gradient, but one was asked for");
    ADJOINT_CHECK(dx[i].tensor.defined() && dx[i].tensor.type() == x[i], layer.kind(),
                  ": expected dx[", i, "] to be ", x[i], ", got ",
                  dx[i].tensor.defined() ? str(dx[i].tensor.type()) : "no tensor");
  }
}

}  // namespace

void Layer::defer_gradient() {
  ADJOINT_FAIL(kind(),
               ": it makes its gradient in forward, so no layer may read its output; name "
               "it in CompileOptions::losses");
}

void Layer::backward(Context&, const BackwardCall&) {
  ADJOINT_FAIL(kind(), ": it has no backward; nothing can be learned through it");
}

std::int64_t Layer::backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                           const ParameterGradients& parameters) const {
  const bool inputs = std::ranges::any_of(dx, &Gradient::wanted);
  return multiply_adds(x) * ((parameters.any_wanted() ? 1 : 0) + (inputs ? 1 : 0));
}

void Layer::run_forward(Context& context, const ForwardCall& call) {
  const Signature x = types_of(call.x);
  const Signature y = infer(x);
  check_tensors(*this, "x", call.x, x, false);
  check_tensors(*this, "y", call.y, y, false);
  if (traits().gradient_in_forward) check_gradients(*this, call.dx, x);
  forward(context, call);
}

void Layer::run_backward(Context& context, const BackwardCall& call, const Signature& x_types) {
  const Signature y = infer(x_types);
  const Traits granted = traits();
  check_tensors(*this, "x", call.x, x_types, !granted.backward_reads_x);
  check_tensors(*this, "y", call.y, y, !granted.backward_reads_y);
  check_tensors(*this, "dy", call.dy, y, true);
  check_gradients(*this, call.dx, x_types);
  backward(context, call);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
