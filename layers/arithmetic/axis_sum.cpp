#include "layers/arithmetic/axis_sum.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/axes.h"
#include "kernels/axis_sum.h"
#include "kernels/strided_copy.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

std::string AxisSum::describe() const {
  return axis_ ? str(kind(), "(axis ", *axis_, ")") : kind();
}

// x as [outer, extent, inner].
Shape AxisSum::extents(const Shape& x) const {
  if (!axis_) return {x[0], x.count() == 0 ? 0 : x.count() / x[0], 1};
  const int axis = axis_behind_batch(kind(), *axis_, x);
  std::int64_t outer = 1, inner = 1;
  for (int a = 0; a < axis; ++a) outer *= x[a];
  for (int a = axis + 1; a < x.rank(); ++a) inner *= x[a];
  return {outer, x[axis], inner};
}

double AxisSum::scale(std::int64_t extent) const {
  return form_ == Form::sum ? 1.0 : 1.0 / static_cast<double>(extent);
}

Signature AxisSum::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1, kind(),
                ": expected one floating input [batch, ...], got ", types_text(x));
  const Shape& shape = x[0].shape;
  ADJOINT_CHECK(form_ == Form::sum || extents(shape)[1] > 0, kind(),
                ": expected at least one element to average, got ", shape);
  if (!axis_) return {{x[0].dtype, {shape[0]}}};
  std::vector<std::int64_t> left(shape.extents().begin(), shape.extents().end());
  left.erase(left.begin() + axis_behind_batch(kind(), *axis_, shape));
  return {{x[0].dtype, Shape(left)}};
}

void AxisSum::forward(Context& context, const ForwardCall& call) {
  const Shape shape = extents(call.x[0].shape());
  axis_sum(context.stream(), call.y[0].reshaped({shape[0], shape[2]}), call.x[0].reshaped(shape),
           scale(shape[1]));
}

void AxisSum::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  const Shape shape = extents(call.dx[0].tensor.shape());
  const Tensor dy = call.dy[0].reshaped({shape[0], shape[2]});
  strided_copy(context.stream(), {call.dx[0].tensor.reshaped(shape), call.dx[0].mode},
               broadcast_along(dy, 1, shape[1]), scale(shape[1]));
}

Value sum(const Value& x, std::optional<int> axis) {
  return x.graph().apply(AxisSum(AxisSum::Form::sum, axis), {x});
}
Value mean(const Value& x, std::optional<int> axis) {
  return x.graph().apply(AxisSum(AxisSum::Form::mean, axis), {x});
}

namespace {

bool register_form(AxisSum::Form form) {
  const std::string kind = AxisSum(form).kind();
  const auto with = [form](const std::string& name, std::optional<int> axis, const Shape& x) {
    return LayerCase{name,
                     [=] { return std::make_shared<AxisSum>(form, axis); },
                     {CheckInput{{DType::float32, x}}}};
  };
  return register_layer(
      {.kind = kind,
       .make =
           [form](Options& options) {
             std::optional<int> axis;
             if (const auto given = options.optional_integer("axis"))
               axis = static_cast<int>(*given);
             return std::make_shared<AxisSum>(form, axis);
           },
       .cases = {with(kind, std::nullopt, {3, 4, 2}), with(kind + "/last axis", -1, {2, 3, 8}),
                 with(kind + "/middle axis", 1, {2, 5, 7})}});
}

const bool kSumRegistered = register_form(AxisSum::Form::sum);
const bool kMeanRegistered = register_form(AxisSum::Form::mean);

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
