#include "layers/losses/nll.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/nll.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

NllLoss::NllLoss(NllOptions options)
    : LossOf(options.reduction),
      labels_("nll", std::move(options.class_weights), options.ignored_label) {}

Signature NllLoss::infer(const Signature& x) const {
  labels_.check(x);
  return output(x[0].dtype, x[1].shape);
}

void NllLoss::build(Builder& builder) {
  labels_.build(builder, builder.inputs()[0]);
  build_sums(builder, builder.inputs()[1].shape.count());
}

void NllLoss::run(Context& context, const Run& run) {
  const Gradient& dx = run.dx[0];
  nll(context.stream(), {.x = run.x[0].as_matrix(),
                         .labels = run.x[1].reshaped({run.x[1].count()}),
                         .dx = dx.wanted() ? Gradient{dx.tensor.as_matrix(), dx.mode} : Gradient{},
                         .class_weights = labels_.weights(),
                         .out = run.out_of_rows(),
                         .status = labels_.status(),
                         .ignored_label = labels_.ignored()});
}

Value nll(const Value& x, const Value& labels, const NllOptions& options) {
  return x.graph().apply(NllLoss(options), {x, labels});
}

namespace {

LayerCase nll_case(const std::string& name, const NllOptions& options) {
  // Label 4 is ignored in some cases, so that ignored rows are met.
  return {"nll" + name,
          [options] { return std::make_shared<NllLoss>(options); },
          {CheckInput{{DType::float32, {6, 5}}, -2.0, 0.5},
           CheckInput{.type = {DType::int32, {6}}, .low = 0, .high = 4}}};
}

const bool kRegistered = register_layer({
    .kind = "nll",
    .arity = Arity::of(2),
    .make =
        [](Options& options) {
          return std::make_shared<NllLoss>(NllOptions{
              .ignored_label = static_cast<std::int32_t>(options.integer("ignored_label", -100)),
              .class_weights = options.numbers("class_weights", {}),
              .reduction = reduction_option(options)});
        },
    .cases = {nll_case("", {}),
              nll_case("/weighted",
                       {.ignored_label = 4, .class_weights = {0.5, 1.25, 0.0, 2.0, 0.75}}),
              nll_case("/sum", {.reduction = Reduction::sum}),
              nll_case("/none", {.ignored_label = 4, .reduction = Reduction::none})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
