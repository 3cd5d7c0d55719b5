#include "layers/softmax_cross_entropy.h"

#include <utility>

#include "core/base/options.h"
#include "core/device/transfer.h"
#include "core/graph/registry.h"

namespace adjoint::inline ADJOINT_BACKEND {

CrossEntropyLoss::CrossEntropyLoss(const CrossEntropyOptions& options) : options_(options) {
  ADJOINT_CHECK(options.label_smoothing >= 0.0f && options.label_smoothing <= 1.0f,
                "softmax_cross_entropy: expected a label smoothing of 0 to 1, got ",
                options.label_smoothing);
}

Signature CrossEntropyLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(
      x.size() == 2 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
      "softmax_cross_entropy: expected floating logits [..., classes] and int32 labels [...]");
  const auto leading = x[0].shape.extents().first(std::size_t(x[0].shape.rank() - 1));
  ADJOINT_CHECK((x[1] == TensorType{DType::int32, Shape(leading)}),
                "softmax_cross_entropy: expected labels int32 ", Shape(leading), " for logits ",
                x[0].shape, ", got ", x[1]);
  ADJOINT_CHECK(x[0].shape[-1] > 0, "softmax_cross_entropy: expected at least one class");
  return {{accumulation_type(x[0].dtype), {3}}};
}

void CrossEntropyLoss::build(Builder& builder) {
  build_for(builder, builder.inputs()[1].shape.count());
}

void CrossEntropyLoss::build_for(Builder& builder, std::int64_t rows) {
  status_ = builder.persistent("status", {DType::int32, {2}});
  counter_ = builder.persistent("counter", {DType::int32, {1}});
  scratch_ = builder.scratch("partial totals", softmax_cross_entropy_scratch(rows), Phase::forward);
}

void CrossEntropyLoss::forward(Context& context, const ForwardCall& call) {
  run(context, call.x[0].as_matrix(), call.x[1].reshaped({call.x[1].count()}), call.dx[0],
      call.y[0], false);
}

void CrossEntropyLoss::run(Context& context, const Tensor& logits, const Tensor& labels,
                           const Gradient& gradient, const Tensor& totals, bool accumulate_totals) {
  const std::int64_t rows = labels.count();
  softmax_cross_entropy(context.stream(),
                        {.logits = logits,
                         .labels = labels,
                         .gradient = gradient.wanted() ? gradient.tensor.as_matrix() : Tensor(),
                         .accumulate_gradient = gradient.accumulates(),
                         .totals = totals,
                         .accumulate_totals = accumulate_totals,
                         .status = status_.tensor(),
                         .counter = counter_.tensor(),
                         .scratch = scratch_.view(softmax_cross_entropy_scratch(rows).shape),
                         .label_smoothing = options_.label_smoothing,
                         .weight = options_.weight,
                         .ignored_label = options_.ignored_label});
}

void CrossEntropyLoss::verify(Context& context) {
  const auto status = download<std::int32_t>(context, status_.tensor());
  if (status[0] == 0) return;
  fill_bytes(context.stream(), status_.tensor().data(), 0, status_.tensor().bytes());
  ADJOINT_FAIL("softmax_cross_entropy: row ", status[0] - 1, " of a batch has label ", status[1],
               ", which is no class; labels count from 0, and ", options_.ignored_label,
               " marks rows to ignore");
}

Value softmax_cross_entropy(const Value& logits, const Value& labels,
                            const CrossEntropyOptions& options) {
  return logits.graph().apply(CrossEntropyLoss(options), {logits, labels});
}

namespace {

LayerCase loss_case(const std::string& name, const CrossEntropyOptions& options) {
  // Label 4 is ignored in the third case, so that ignored rows are met.
  return {name,
          [options] { return std::make_shared<CrossEntropyLoss>(options); },
          {CheckInput{{DType::float32, {6, 5}}, 0.0, 2.0},
           CheckInput{.type = {DType::int32, {6}}, .low = 0, .high = 4}}};
}

const bool kRegistered = register_layer({
    .kind = "softmax_cross_entropy",
    .make =
        [](Options& options) {
          const double smoothing = options.number("label_smoothing", 0.0);
          options.require(smoothing >= 0 && smoothing < 1, "label_smoothing",
                          "a number from 0 to below 1");
          const std::int64_t ignored = options.integer("ignored_label", -100);
          options.require(std::in_range<std::int32_t>(ignored), "ignored_label",
                          "a whole number of 32 bits");
          return std::make_shared<CrossEntropyLoss>(
              CrossEntropyOptions{.label_smoothing = static_cast<float>(smoothing),
                                  .ignored_label = static_cast<std::int32_t>(ignored)});
        },
    .cases = {loss_case("softmax_cross_entropy", {}),
              loss_case("softmax_cross_entropy/smoothed",
                        {.label_smoothing = 0.1f, .weight = 0.5f}),
              loss_case("softmax_cross_entropy/ignored", {.ignored_label = 4})},
});

}  // namespace

}  // namespace adjoint::inline ADJOINT_BACKEND
