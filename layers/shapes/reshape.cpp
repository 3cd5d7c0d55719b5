#include "layers/shapes/reshape.h"

#include <algorithm>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/add.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::string text(const std::vector<std::int64_t>& shape) {
  std::string result;
  for (std::int64_t extent : shape) result += str(result.empty() ? "" : ", ", extent);
  return str("[", result, "]");
}

}  // namespace

Reshape::Reshape(std::vector<std::int64_t> shape) : shape_(std::move(shape)) {
  ADJOINT_CHECK(std::ranges::all_of(shape_, [](auto extent) { return extent >= -1; }) &&
                    std::ranges::count(shape_, -1) <= 1 &&
                    shape_.size() < std::size_t(Shape::kMaxRank),
                "reshape: expected at most ", Shape::kMaxRank - 1,
                " extents behind the batch, of which one may be -1, got ", text(shape_));
}

std::string Reshape::describe() const { return str("reshape(", text(shape_), ")"); }

Signature Reshape::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && x[0].shape.rank() >= 1,
                "reshape: expected one input [batch, ...], got ", types_text(x));
  std::int64_t of_sample = 1, known = 1;
  for (int axis = 1; axis < x[0].shape.rank(); ++axis) of_sample *= x[0].shape[axis];
  for (std::int64_t extent : shape_)
    if (extent >= 0) known *= extent;
  const bool open = std::ranges::count(shape_, -1) == 1;
  ADJOINT_CHECK(open ? known > 0 && of_sample % known == 0 : known == of_sample,
                "reshape: expected a shape of ", of_sample, " elements for each sample of ",
                x[0].shape, ", got ", text(shape_));
  std::vector<std::int64_t> extents{x[0].shape[0]};
  for (std::int64_t extent : shape_) extents.push_back(extent >= 0 ? extent : of_sample / known);
  return {{x[0].dtype, Shape(extents)}};
}

// Both do nothing where the planner made the two tensors one, as it does for all views.
void Reshape::forward(Context& context, const ForwardCall& call) {
  contribute(context.stream(), {call.y[0], GradientMode::overwrite},
             call.x[0].reshaped(call.y[0].shape()));
}

void Reshape::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  contribute(context.stream(), call.dx[0], call.dy[0].reshaped(call.dx[0].tensor.shape()));
}

Value reshape(const Value& x, const std::vector<std::int64_t>& shape) {
  return x.graph().apply(Reshape(shape), {x});
}

namespace {

LayerCase reshape_case(const std::string& name, const std::vector<std::int64_t>& shape,
                       const Shape& x) {
  return {name,
          [shape] { return std::make_shared<Reshape>(shape); },
          {CheckInput{{DType::float32, x}}}};
}

const bool kRegistered = register_layer({
    .kind = "reshape",
    .make = [](Options& options) { return std::make_shared<Reshape>(options.integers("shape")); },
    .example = {{"shape", std::vector<std::int64_t>{2, -1}}},
    .cases = {reshape_case("reshape", {2, -1}, {3, 4, 5}),
              reshape_case("reshape/to features", {6}, {2, 3, 2})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
