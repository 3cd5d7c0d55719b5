#include "layers/shapes/permute.h"

#include <algorithm>
#include <numeric>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/axes.h"
#include "kernels/strided_copy.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Permute::Permute(std::vector<int> axes) : axes_(std::move(axes)) {
  std::vector<int> sorted = axes_, expected(axes_.size());
  std::ranges::sort(sorted);
  std::iota(expected.begin(), expected.end(), 0);
  ADJOINT_CHECK(!axes_.empty() && axes_[0] == 0 && sorted == expected,
                "permute: expected each axis once, the batch, 0, in front, got ", describe());
}

std::string Permute::describe() const {
  std::string text;
  for (int axis : axes_) text += str(text.empty() ? "" : ", ", axis);
  return str("permute(", text, ")");
}

Signature Permute::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype) &&
                    x[0].shape.rank() == static_cast<int>(axes_.size()),
                "permute: expected one floating input of ", axes_.size(), " axes", ", got ",
                types_text(x));
  std::vector<std::int64_t> extents;
  for (int axis : axes_) extents.push_back(x[0].shape[axis]);
  return {{x[0].dtype, Shape(extents)}};
}

void Permute::forward(Context& context, const ForwardCall& call) {
  strided_copy(context.stream(), {call.y[0], GradientMode::overwrite}, permuted(call.x[0], axes_));
}

void Permute::backward(Context& context, const BackwardCall& call) {
  if (!call.dx[0].wanted()) return;
  std::vector<int> inverse(axes_.size());
  for (std::size_t k = 0; k < axes_.size(); ++k)
    inverse[std::size_t(axes_[k])] = static_cast<int>(k);
  strided_copy(context.stream(), call.dx[0], permuted(call.dy[0], inverse));
}

Value permute(const Value& x, const std::vector<int>& axes) {
  return x.graph().apply(Permute(axes), {x});
}

Value transpose(const Value& x, int a, int b) {
  std::vector<int> axes(static_cast<std::size_t>(x.shape().rank()));
  std::iota(axes.begin(), axes.end(), 0);
  std::swap(axes[std::size_t(axis_behind_batch("transpose", a, x.shape()))],
            axes[std::size_t(axis_behind_batch("transpose", b, x.shape()))]);
  return permute(x, axes);
}

namespace {

LayerCase permute_case(const std::string& name, const std::vector<int>& axes, const Shape& x) {
  return {
      name, [axes] { return std::make_shared<Permute>(axes); }, {CheckInput{{DType::float32, x}}}};
}

const bool kRegistered = register_layer({
    .kind = "permute",
    .make =
        [](Options& options) {
          std::vector<int> axes;
          for (std::int64_t axis : options.integers("axes")) axes.push_back(static_cast<int>(axis));
          return std::make_shared<Permute>(axes);
        },
    .example = {{"axes", std::vector<std::int64_t>{0, 2, 1}}},
    .cases = {permute_case("permute", {0, 2, 1}, {3, 5, 7}),
              permute_case("permute/channels last", {0, 2, 3, 1}, {2, 3, 4, 5}),
              permute_case("permute/last axis stays", {0, 2, 1, 3}, {2, 3, 5, 8})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
