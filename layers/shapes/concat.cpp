#include "layers/shapes/concat.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/axes.h"
#include "kernels/strided_copy.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature Concat::infer(const Signature& x) const {
  ADJOINT_CHECK(!x.empty() && is_floating(x[0].dtype), "concat: expected floating inputs", ", got ",
                types_text(x));
  const int axis = axis_behind_batch("concat", axis_, x[0].shape);
  std::int64_t extent = 0;
  for (const TensorType& input : x) {
    ADJOINT_CHECK(input.dtype == x[0].dtype && input.shape.rank() == x[0].shape.rank() &&
                      input.shape.with(axis, 0) == x[0].shape.with(axis, 0),
                  "concat: expected inputs that differ along axis ", axis_, " alone, got ", x[0],
                  " and ", input);
    extent += input.shape[axis];
  }
  return {{x[0].dtype, x[0].shape.with(axis, extent)}};
}

void Concat::build(Builder& builder) {
  extents_.clear();
  for (const TensorType& input : builder.inputs()) extents_.push_back(input.shape[axis_]);
}

void Concat::forward(Context& context, const ForwardCall& call) {
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < extents_.size(); begin += extents_[k++])
    strided_copy(context.stream(),
                 {slice_of(call.y[0], axis_, begin, extents_[k]), GradientMode::overwrite},
                 call.x[k]);
}

void Concat::backward(Context& context, const BackwardCall& call) {
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < extents_.size(); begin += extents_[k++])
    strided_copy(context.stream(), call.dx[k], slice_of(call.dy[0], axis_, begin, extents_[k]));
}

Value concat(const std::vector<Value>& x, int axis) {
  ADJOINT_CHECK(!x.empty(), "concat: expected at least one value");
  return x[0].graph().apply(Concat(axis), x);
}

namespace {

LayerCase concat_case(const std::string& name, int axis, const std::vector<Shape>& shapes) {
  LayerCase made{name, [axis] { return std::make_shared<Concat>(axis); }, {}};
  for (const Shape& shape : shapes) made.inputs.push_back({{DType::float32, shape}});
  return made;
}

const bool kRegistered = register_layer({
    .kind = "concat",
    .arity = {.most_inputs = std::nullopt},
    .make =
        [](Options& options) {
          return std::make_shared<Concat>(static_cast<int>(options.integer("axis")));
        },
    .example = {{"axis", 1}},
    .cases = {concat_case("concat", 1, {{3, 5}, {3, 8}, {3, 1}}),
              concat_case("concat/middle axis", -2, {{2, 3, 8}, {2, 4, 8}})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
