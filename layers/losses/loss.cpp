#include "layers/losses/loss.h"

#include <array>

#include "core/base/options.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Reduction reduction_option(Options& options) {
  const std::string name = options.choice("reduction", "mean", {"mean", "sum", "none"});
  return name == "mean" ? Reduction::mean : name == "sum" ? Reduction::sum : Reduction::none;
}

Traits Loss::traits() const {
  const bool now = reduction_ != Reduction::none && !deferred_;
  return {.backward_reads_x = !now, .gradient_in_forward = now};
}

Signature Loss::output(DType x, const Shape& samples) const {
  if (reduction_ == Reduction::none) return {{x, samples}};
  return {{accumulation_type(x), totals_shape(undivided())}};
}

void Loss::build_sums(Builder& builder, std::int64_t most_pieces) {
  counter_ = builder.persistent("counter", {DType::int32, {1}});
  scratch_ = builder.scratch("partial totals", loss_scratch(most_pieces), Phase::forward);
  if (reduction_ == Reduction::none)
    unread_ = builder.scratch("totals", {accumulation_type(builder.inputs()[0].dtype), {3}},
                              Phase::forward);
}

LossOutput Loss::sums(const Tensor& totals) const {
  return {.totals = totals,
          .undivided = undivided(),
          .counter = counter_.tensor(),
          .scratch = scratch_.tensor()};
}

LossOutput Loss::Run::out_of_rows() const {
  LossOutput rows = out;
  for (Tensor* each : {&rows.losses, &rows.losses_dy})
    if (each->defined()) *each = each->reshaped({each->count()});
  return rows;
}

void Loss::forward(Context& context, const ForwardCall& call) {
  static const std::array<Gradient, 8> kUnwanted{};
  const bool each = reduction_ == Reduction::none;
  LossOutput out = sums(each ? unread_.tensor() : call.y[0]);
  if (each) out.losses = call.y[0];
  out.scale = context.loss_scale();
  const auto dx =
      traits().gradient_in_forward ? call.dx : std::span(kUnwanted).first(call.x.size());
  run(context, {.x = call.x, .dx = dx, .out = out});
}

void Loss::backward(Context& context, const BackwardCall& call) {
  LossOutput out{.undivided = undivided()};
  (reduction_ == Reduction::none ? out.losses_dy : out.totals_dy) = call.dy[0];
  run(context, {.x = call.x, .dx = call.dx, .out = out});
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
