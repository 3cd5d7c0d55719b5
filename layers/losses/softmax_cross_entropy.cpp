#include "layers/losses/softmax_cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "kernels/soft_cross_entropy.h"
#include "kernels/softmax_cross_entropy.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Gradient as_matrix(const Gradient& gradient) {
  return gradient.wanted() ? Gradient{gradient.tensor.as_matrix(), gradient.mode} : Gradient{};
}

}  // namespace

CrossEntropyLoss::CrossEntropyLoss(CrossEntropyOptions options)
    : LossOf(options.reduction),
      options_(std::move(options)),
      labels_("softmax_cross_entropy", options_.class_weights, options_.ignored_label) {
  ADJOINT_CHECK(options_.label_smoothing >= 0.0 && options_.label_smoothing <= 1.0,
                "softmax_cross_entropy: expected a label smoothing of 0 to 1, got ",
                options_.label_smoothing);
}

Signature CrossEntropyLoss::infer(const Signature& x) const {
  ADJOINT_CHECK(x.size() == 2 && is_floating(x[0].dtype) && x[0].shape.rank() >= 1,
                "softmax_cross_entropy: expected floating logits [..., classes] and their target, "
                "labels int32 [...] or distributions like the logits, got ",
                x.size(), " inputs");
  const Shape samples(x[0].shape.extents().first(std::size_t(x[0].shape.rank() - 1)));
  if (is_floating(x[1].dtype))
    ADJOINT_CHECK(x[1] == x[0], "softmax_cross_entropy: expected targets ", x[0],
                  " like the logits, got ", x[1]);
  // What holds for labels holds for classes.
  labels_.check({x[0], is_floating(x[1].dtype) ? TensorType{DType::int32, samples} : x[1]});
  return output(x[0].dtype, samples);
}

// Logits whose softmax is the target as it is smoothed and weighted: its logarithm.
void CrossEntropyLoss::best(std::span<const float> target, std::span<float> prediction) const {
  const double smoothing = options_.label_smoothing;
  for (std::size_t j = 0; j < target.size(); ++j) {
    const double weight = options_.class_weights.empty() ? 1.0 : options_.class_weights[j];
    const double share =
        weight * ((1 - smoothing) * double(target[j]) + smoothing / double(target.size()));
    prediction[j] =
        static_cast<float>(share > 0 ? std::max(std::log(share), -kFarLogit) : -kFarLogit);
  }
}

void CrossEntropyLoss::build(Builder& builder) {
  const TensorType& logits = builder.inputs()[0];
  build_for(builder, logits.shape.count() / logits.shape[-1], logits);
}

void CrossEntropyLoss::build_for(Builder& builder, std::int64_t rows, const TensorType& logits) {
  labels_.build(builder, logits);
  build_sums(builder, rows);
}

void CrossEntropyLoss::run(Context& context, const Run& run) {
  const Tensor logits = run.x[0].as_matrix();
  const Gradient gradient = as_matrix(run.dx[0]);
  const LossOutput out = run.out_of_rows();
  if (!is_floating(run.x[1].dtype()))
    return run_labels(context, logits, run.x[1].reshaped({run.x[1].count()}), logits.shape()[1],
                      gradient, out);
  soft_cross_entropy(context.stream(), {.logits = logits,
                                        .targets = run.x[1].as_matrix(),
                                        .gradient = gradient,
                                        .dtargets = as_matrix(run.dx[1]),
                                        .class_weights = labels_.weights(),
                                        .out = out,
                                        .label_smoothing = options_.label_smoothing,
                                        .weight = options_.weight});
}

void CrossEntropyLoss::run_labels(Context& context, const Tensor& logits, const Tensor& labels,
                                  std::int64_t classes, const Gradient& gradient,
                                  const LossOutput& out) {
  if (labels_.weighted() && options_.label_smoothing > 0)
    return soft_cross_entropy(context.stream(), {.logits = logits,
                                                 .labels = labels,
                                                 .classes = classes,
                                                 .gradient = gradient,
                                                 .class_weights = labels_.weights(),
                                                 .out = out,
                                                 .status = labels_.status(),
                                                 .label_smoothing = options_.label_smoothing,
                                                 .weight = options_.weight,
                                                 .ignored_label = options_.ignored_label});
  softmax_cross_entropy(context.stream(),
                        {.logits = logits,
                         .labels = labels,
                         .gradient = gradient.wanted() ? gradient.tensor : Tensor(),
                         .accumulate_gradient = gradient.accumulates(),
                         .classes = classes,
                         .class_weights = labels_.weights(),
                         .out = out,
                         .status = labels_.status(),
                         .label_smoothing = options_.label_smoothing,
                         .weight = options_.weight,
                         .ignored_label = options_.ignored_label});
}

void CrossEntropyLoss::run_part(Context& context, const Tensor& logits, const Tensor& labels,
                                std::int64_t classes, const Gradient& gradient,
                                const Tensor& totals, bool accumulate_totals) {
  LossOutput out = sums(totals);
  out.scale = context.loss_scale();
  out.accumulate_totals = accumulate_totals;
  run_labels(context, logits, labels, classes, gradient, out);
}

void CrossEntropyLoss::verify(Context& context) { labels_.verify(context); }

CrossEntropyOptions cross_entropy_options(Options& options) {
  const double smoothing = options.number("label_smoothing", 0.0);
  options.require(smoothing >= 0 && smoothing < 1, "label_smoothing", "a number from 0 to below 1");
  const std::int64_t ignored = options.integer("ignored_label", -100);
  options.require(std::in_range<std::int32_t>(ignored), "ignored_label",
                  "a whole number of 32 bits");
  return {.label_smoothing = smoothing,
          .ignored_label = static_cast<std::int32_t>(ignored),
          .class_weights = options.numbers("class_weights", {}),
          .reduction = reduction_option(options)};
}

Value softmax_cross_entropy(const Value& logits, const Value& target,
                            const CrossEntropyOptions& options) {
  return logits.graph().apply(CrossEntropyLoss(options), {logits, target});
}

namespace {

LayerCase loss_case(const std::string& name, const CrossEntropyOptions& options) {
  // Label 4 is ignored in one case, so that ignored rows are met.
  return {"softmax_cross_entropy" + name,
          [options] { return std::make_shared<CrossEntropyLoss>(options); },
          {CheckInput{{DType::float32, {6, 5}}, 0.0, 2.0},
           CheckInput{.type = {DType::int32, {6}}, .low = 0, .high = 4}}};
}

// Targets need not be distributions for the mathematics.
LayerCase soft_case(const std::string& name, const CrossEntropyOptions& options) {
  LayerCase soft = loss_case(name, options);
  soft.inputs[1] = {{DType::float32, {6, 5}}, 0.5, 0.3};
  return soft;
}

const std::vector<double> kWeights = {0.5, 1.25, 0.0, 2.0, 0.75};

const bool kRegistered = register_layer({
    .kind = "softmax_cross_entropy",
    .arity = Arity::of(2),
    .make =
        [](Options& options) {
          return std::make_shared<CrossEntropyLoss>(cross_entropy_options(options));
        },
    .cases = {loss_case("", {}), loss_case("/smoothed", {.label_smoothing = 0.1, .weight = 0.5}),
              loss_case("/ignored", {.ignored_label = 4}),
              loss_case("/weighted", {.ignored_label = 4, .class_weights = kWeights}),
              loss_case("/weighted smoothed",
                        {.label_smoothing = 0.1, .ignored_label = 4, .class_weights = kWeights}),
              loss_case("/sum", {.reduction = Reduction::sum}),
              loss_case("/none", {.ignored_label = 4, .reduction = Reduction::none}),
              soft_case("/soft", {}),
              soft_case("/soft weighted", {.label_smoothing = 0.1, .class_weights = kWeights}),
              soft_case("/soft none", {.reduction = Reduction::none})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
