#include "layers/shapes/split.h"

#include <algorithm>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/axes.h"
#include "kernels/add.h"
#include "kernels/strided_copy.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

// ---- Split

Split::Split(int axis, std::vector<std::int64_t> sizes) : axis_(axis), sizes_(std::move(sizes)) {
  ADJOINT_CHECK(!sizes_.empty() && std::ranges::all_of(sizes_, [](auto size) { return size >= 0; }),
                "split: expected sizes of 0 or more, at least one");
}

std::string Split::describe() const { return str("split(axis ", axis_, ", ", Shape(sizes_), ")"); }

Signature Split::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype),
                "split: expected one floating input, got ", types_text(x));
  const int axis = axis_behind_batch("split", axis_, x[0].shape);
  std::int64_t extent = 0;
  Signature parts;
  for (std::int64_t size : sizes_) {
    extent += size;
    parts.push_back({x[0].dtype, x[0].shape.with(axis, size)});
  }
  ADJOINT_CHECK(extent == x[0].shape[axis], "split: expected sizes that add up to the ",
                x[0].shape[axis], " entries of axis ", axis_, ", got ", Shape(sizes_));
  return parts;
}

void Split::forward(Context& context, const ForwardCall& call) {
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < sizes_.size(); begin += sizes_[k++])
    strided_copy(context.stream(), {call.y[k], GradientMode::overwrite},
                 slice_of(call.x[0], axis_, begin, sizes_[k]));
}

void Split::backward(Context& context, const BackwardCall& call) {
  const Gradient& dx = call.dx[0];
  if (!dx.wanted()) return;
  // Parts that nobody used have no gradient.
  if (!std::ranges::all_of(call.dy, &Tensor::defined)) contribute_zeros(context.stream(), dx);
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < sizes_.size(); begin += sizes_[k++])
    if (call.dy[k].defined())
      strided_copy(context.stream(), {slice_of(dx.tensor, axis_, begin, sizes_[k]), dx.mode},
                   call.dy[k]);
}

std::vector<Value> split(const Value& x, int axis, const std::vector<std::int64_t>& sizes) {
  return x.graph().apply(std::make_shared<Split>(axis, sizes), {x});
}

// ---- Slice

std::string Slice::describe() const {
  return str("slice(axis ", axis_, ", ", begin_, ":", end_ ? str(*end_) : std::string(), ")");
}

Slice::Range Slice::range(const Shape& x) const {
  const std::int64_t extent = x[axis_], last = end_.value_or(extent);
  const std::int64_t begin = begin_ < 0 ? begin_ + extent : begin_;
  const std::int64_t end = last < 0 ? last + extent : last;
  ADJOINT_CHECK(begin >= 0 && begin <= end && end <= extent, "slice: expected a range within the ",
                extent, " entries of axis ", axis_, ", got [", begin_, ", ", last, ")");
  return {begin, end - begin};
}

Signature Slice::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 1 && is_floating(x[0].dtype),
                "slice: expected one floating input, got ", types_text(x));
  const int axis = axis_behind_batch("slice", axis_, x[0].shape);
  return {{x[0].dtype, x[0].shape.with(axis, range(x[0].shape).extent)}};
}

void Slice::forward(Context& context, const ForwardCall& call) {
  const auto [begin, extent] = range(call.x[0].shape());
  strided_copy(context.stream(), {call.y[0], GradientMode::overwrite},
               slice_of(call.x[0], axis_, begin, extent));
}

void Slice::backward(Context& context, const BackwardCall& call) {
  const Gradient& dx = call.dx[0];
  if (!dx.wanted()) return;
  contribute_zeros(context.stream(), dx);
  const auto [begin, extent] = range(dx.tensor.shape());
  strided_copy(context.stream(), {slice_of(dx.tensor, axis_, begin, extent), dx.mode}, call.dy[0]);
}

Value slice(const Value& x, int axis, std::int64_t begin, std::optional<std::int64_t> end) {
  return x.graph().apply(Slice(axis, begin, end), {x});
}

namespace {

LayerCase split_case(const std::string& name, int axis, const std::vector<std::int64_t>& sizes,
                     const Shape& x) {
  return {name,
          [=] { return std::make_shared<Split>(axis, sizes); },
          {CheckInput{{DType::float32, x}}}};
}

LayerCase slice_case(const std::string& name, const Slice& slice, const Shape& x) {
  return {
      name, [slice] { return std::make_shared<Slice>(slice); }, {CheckInput{{DType::float32, x}}}};
}

const bool kSplitRegistered = register_layer({
    .kind = "split",
    .arity = {.outputs = std::nullopt},
    .make =
        [](Options& options) {
          return std::make_shared<Split>(static_cast<int>(options.integer("axis")),
                                         options.integers("sizes"));
        },
    .example = {{"axis", 1}, {"sizes", std::vector<std::int64_t>{2, 4, 1}}},
    .cases = {split_case("split", 1, {2, 4, 1}, {3, 7}),
              split_case("split/middle axis", -2, {2, 3}, {2, 5, 8})},
});

const bool kSliceRegistered = register_layer({
    .kind = "slice",
    .make =
        [](Options& options) {
          return std::make_shared<Slice>(static_cast<int>(options.integer("axis")),
                                         options.integer("begin", 0),
                                         options.optional_integer("end"));
        },
    .example = {{"axis", 1}, {"begin", 2}, {"end", 6}},
    .cases = {slice_case("slice", Slice(1, 2, 6), {3, 7}),
              slice_case("slice/from the back", Slice(-2, -3, -1), {2, 5, 4}),
              slice_case("slice/to the end", Slice(2, 1), {2, 3, 4})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
