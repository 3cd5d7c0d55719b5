#include "layers/losses/triplet.h"

#include <cmath>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/triplet.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

TripletLoss::TripletLoss(const TripletOptions& options)
    : LossOf(options.reduction), options_(options) {
  ADJOINT_CHECK(options.margin > 0 && std::isfinite(options.margin),
                "triplet: expected a margin above 0, got ", options.margin);
}

Signature TripletLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(
      x.size() == 3 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
      "triplet: expected a floating anchor [..., features], a positive and a negative, got ",
      x.size(), " inputs");
  ADJOINT_CHECK(x[1] == x[0] && x[2] == x[0], "triplet: expected positive and negative ", x[0],
                " like the anchor, got ", x[1], " and ", x[2]);
  return output(x[0].dtype, Shape(x[0].shape.extents().first(std::size_t(x[0].shape.rank() - 1))));
}

void TripletLoss::build(Builder& builder) {
  const Shape& shape = builder.inputs()[0].shape;
  build_sums(builder, shape.count() / std::max<std::int64_t>(shape[-1], 1));
}

void TripletLoss::run(Context& context, const Run& run) {
  const auto matrix = [](const Gradient& gradient) {
    return gradient.wanted() ? Gradient{gradient.tensor.as_matrix(), gradient.mode} : Gradient{};
  };
  triplet(context.stream(), {.anchor = run.x[0].as_matrix(),
                             .positive = run.x[1].as_matrix(),
                             .negative = run.x[2].as_matrix(),
                             .danchor = matrix(run.dx[0]),
                             .dpositive = matrix(run.dx[1]),
                             .dnegative = matrix(run.dx[2]),
                             .out = run.out_of_rows(),
                             .margin = options_.margin});
}

Value triplet(const Value& anchor, const Value& positive, const Value& negative,
              const TripletOptions& options) {
  return anchor.graph().apply(TripletLoss(options), {anchor, positive, negative});
}

namespace {

LayerCase triplet_case(const std::string& name, const TripletOptions& options) {
  return {"triplet" + name, [options] { return std::make_shared<TripletLoss>(options); },
          std::vector<CheckInput>(3, {{DType::float32, {6, 5}}})};
}

const bool kRegistered = register_layer({
    .kind = "triplet",
    .arity = Arity::of(3),
    .make =
        [](Options& options) {
          return std::make_shared<TripletLoss>(TripletOptions{
              .margin = options.number("margin", 1.0), .reduction = reduction_option(options)});
        },
    .cases = {triplet_case("", {}), triplet_case("/small margin", {.margin = 0.25}),
              triplet_case("/sum", {.reduction = Reduction::sum}),
              triplet_case("/none", {.reduction = Reduction::none})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
