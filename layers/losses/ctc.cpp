#include "layers/losses/ctc.h"

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "core/tensor/transfer.h"
#include "kernels/ctc.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

CtcLoss::CtcLoss(const CtcOptions& options) : LossOf(options.reduction), options_(options) {
  ADJOINT_CHECK(options.blank >= 0, "ctc: expected a class as blank, got ", options.blank);
}

Signature CtcLoss::infer(const Signature& x) const {
  ADJOINT_CHECK((x.size() == 2 || x.size() == 4) && is_floating(x[0].dtype) &&
                    x[0].shape.rank() == 3 && x[1].shape.rank() == 2,
                "ctc: expected floating log-probabilities [batch, time, classes] and int32 targets "
                "[batch, length], perhaps the steps and labels of each, got ",
                x.size(), " inputs");
  const Shape batch{x[0].shape[0]};
  ADJOINT_CHECK(x[1].dtype == DType::int32 && x[1].shape[0] == batch[0],
                "ctc: expected targets int32 [", batch[0], ", length], got ", x[1]);
  for (std::size_t i = 2; i < x.size(); ++i)
    ADJOINT_CHECK((x[i] == TensorType{DType::int32, batch}), "ctc: expected lengths int32 ", batch,
                  ", got ", x[i]);
  ADJOINT_CHECK(options_.blank < x[0].shape[2], "ctc: expected a blank among the ", x[0].shape[2],
                " classes, got ", options_.blank);
  return output(x[0].dtype, batch);
}

CtcLoss::Work CtcLoss::work(Builder& builder, Phase phase) const {
  const Signature& x = builder.inputs();
  return {builder.scratch("alpha and beta", ctc_workspace(x[0], x[1]), phase),
          builder.scratch("links", ctc_links(x[1]), phase)};
}

void CtcLoss::build(Builder& builder) {
  status_ = builder.persistent("status", {DType::int32, {2}});
  build_sums(builder, builder.inputs()[0].shape[0]);
  forward_ = work(builder, Phase::forward);
  if (!traits().gradient_in_forward) backward_ = work(builder, Phase::backward);
}

void CtcLoss::run(Context& context, const Run& run) {
  const Work& work = run.out.totals.defined() ? forward_ : backward_;
  const bool told = run.x.size() == 4;
  ctc(context.stream(), {.x = run.x[0],
                         .targets = run.x[1],
                         .times = told ? run.x[2] : Tensor(),
                         .lengths = told ? run.x[3] : Tensor(),
                         .dx = run.dx[0],
                         .out = run.out,
                         .status = status_.tensor(),
                         .workspace = work.a_and_b.tensor(),
                         .links = work.links.tensor(),
                         .blank = options_.blank,
                         .zero_infinity = options_.zero_infinity,
                         .per_label = reduction() == Reduction::mean});
}

void CtcLoss::verify(Context& context) {
  const auto status = download<std::int32_t>(context, status_.tensor());
  if (status[0] == 0) return;
  fill_bytes(context.stream(), status_.tensor().data(), 0, status_.tensor().bytes());
  ADJOINT_FAIL("ctc: the target of sequence ", status[0] - 1,
               " of a batch has labels that are no class or the blank, ", options_.blank,
               ", or a number of steps or labels beyond what there is");
}

Value ctc(const Value& x, const Value& targets, const CtcOptions& options) {
  return x.graph().apply(CtcLoss(options), {x, targets});
}

Value ctc(const Value& x, const Value& targets, const Value& times, const Value& lengths,
          const CtcOptions& options) {
  return x.graph().apply(CtcLoss(options), {x, targets, times, lengths});
}

namespace {

LayerCase ctc_case(const std::string& name, const CtcOptions& options) {
  // Targets with labels twice, and twice in a row; 3 of 7 steps at least.
  return {"ctc" + name,
          [options] { return std::make_shared<CtcLoss>(options); },
          {CheckInput{{DType::float32, {4, 7, 4}}, -1.5, 0.5},
           CheckInput{.type = {DType::int32, {4, 3}}, .low = 1, .high = 2}}};
}

LayerCase told_case(const std::string& name, const CtcOptions& options) {
  LayerCase told = ctc_case(name, options);
  told.inputs.push_back({.type = {DType::int32, {4}}, .low = 5, .high = 7});
  told.inputs.push_back({.type = {DType::int32, {4}}, .low = 0, .high = 3});
  return told;
}

const bool kRegistered = register_layer({
    .kind = "ctc",
    .arity = {.least_inputs = 2, .most_inputs = 4},
    .make =
        [](Options& options) {
          return std::make_shared<CtcLoss>(
              CtcOptions{.blank = static_cast<std::int32_t>(options.integer("blank", 0)),
                         .zero_infinity = options.flag("zero_infinity", false),
                         .reduction = reduction_option(options)});
        },
    .cases = {ctc_case("", {}), ctc_case("/other blank", {.blank = 3}), told_case("/lengths", {}),
              told_case("/sum", {.zero_infinity = true, .reduction = Reduction::sum}),
              told_case("/none", {.reduction = Reduction::none})},
});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
