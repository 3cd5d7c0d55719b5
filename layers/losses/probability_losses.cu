#include "layers/losses/probability_losses.h"

#include <algorithm>
#include <cmath>

#include "layers/losses/pointwise_loss.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

struct BinaryCrossEntropy {
  static constexpr ValueRange kPrediction = ValueRange::real();
  static constexpr ValueRange kTarget = ValueRange::between(0, 1);
  double pos_weight;

  // -log sigmoid(x) = max(-x, 0) + rest and -log(1 - sigmoid(x)) = max(x, 0) + rest: no overflow,
  // and a small loss, or derivative, of a target that is 0 or 1 has all its digits.
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    const bool positive = x > T(0.0f);
    const T rest = log1p_unit(exp(select(positive, -x, x)));
    return weighted(select(positive, T(1.0f) - t, T(-pos_weight) * t), x) +
           (T(1.0f) + T(pos_weight - 1.0) * t) * rest;
  }
  template <class T>
  ADJOINT_HD bool right(T x, T t) const {
    return (x > T(0.0f)) == (t > T(0.5f));
  }
  // Where sigmoid(x) = w t / (w t + 1 - t).
  double best(double t) const {
    if (pos_weight * t <= 0) return -kFarLogit;
    return t < 1 ? std::clamp(std::log(pos_weight * t / (1 - t)), -kFarLogit, kFarLogit)
                 : kFarLogit;
  }
  double probability(double x) const { return 1 / (1 + std::exp(-x)); }
};

struct KlDivergence {
  static constexpr ValueRange kPrediction = ValueRange::log_probabilities();
  static constexpr ValueRange kTarget = ValueRange::probabilities();
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    return select(t == T(0.0f), T(0.0f), t * (log(t) - x));
  }
  double best(double t) const { return t > 0 ? std::log(t) : -kFarLogit; }
  double probability(double x) const { return std::exp(x); }
};

struct KlDivergenceOfLogs {
  static constexpr ValueRange kPrediction = ValueRange::log_probabilities();
  static constexpr ValueRange kTarget = ValueRange::log_probabilities();
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    const T probability = exp(t);
    return select(probability == T(0.0f), T(0.0f), probability * (t - x));
  }
  double probability(double x) const { return std::exp(x); }
};

using Operations = PointwiseLoss::Operations;

Operations bce_operations(double pos_weight) {
  ADJOINT_CHECK(pos_weight >= 0 && std::isfinite(pos_weight),
                "bce_with_logits: expected a pos_weight of 0 or more, got ", pos_weight);
  return pointwise_loss("bce_with_logits", BinaryCrossEntropy{pos_weight});
}

Operations kl_operations(bool log_target) {
  if (log_target) return pointwise_loss("kl_divergence", KlDivergenceOfLogs{});
  return pointwise_loss("kl_divergence", KlDivergence{});
}

}  // namespace

Value bce_with_logits(const Value& x, const Value& target,
                      const BinaryCrossEntropyOptions& options) {
  return x.graph().apply(PointwiseLoss(bce_operations(options.pos_weight), {options.reduction}),
                         {x, target});
}

Value kl_divergence(const Value& x, const Value& target, const KlDivergenceOptions& options) {
  return x.graph().apply(
      PointwiseLoss(kl_operations(options.log_target), {options.reduction, options.of_batch}),
      {x, target});
}

namespace {

// Targets need not be probabilities for the mathematics, but above 0 for the logarithm.
const CheckInput kPositive{.mean = 1.0, .deviation = 0.15};

const bool kBce = register_layer(
    {.kind = "bce_with_logits",
     .arity = Arity::of(2),
     .make =
         [](Options& options) {
           const double weight = options.number("pos_weight", 1.0);
           return std::make_shared<PointwiseLoss>(bce_operations(weight),
                                                  PointwiseLoss::Form{reduction_option(options)});
         },
     .cases = {
         pointwise_loss_case("bce_with_logits", bce_operations(1.0), {}),
         pointwise_loss_case("bce_with_logits/pos_weight", bce_operations(2.5), {}),
         pointwise_loss_case("bce_with_logits/sum", bce_operations(1.0), {Reduction::sum}),
         pointwise_loss_case("bce_with_logits/none", bce_operations(1.0), {Reduction::none})}});

std::shared_ptr<Layer> make_kl(Options& options) {
  const bool log_target = options.flag("log_target", false);
  const std::string name =
      options.choice("reduction", "mean", {"mean", "batchmean", "sum", "none"});
  PointwiseLoss::Form form{.of_batch = name == "batchmean"};
  if (!form.of_batch) form.reduction = reduction_option(options);
  return std::make_shared<PointwiseLoss>(kl_operations(log_target), form);
}

const bool kKl = register_layer(
    {.kind = "kl_divergence",
     .arity = Arity::of(2),
     .make = make_kl,
     .cases = {pointwise_loss_case("kl_divergence", kl_operations(false), {}, kPositive),
               pointwise_loss_case("kl_divergence/batchmean", kl_operations(false),
                                   {.of_batch = true}, kPositive),
               pointwise_loss_case("kl_divergence/log target", kl_operations(true), {}),
               pointwise_loss_case("kl_divergence/sum", kl_operations(false), {Reduction::sum},
                                   kPositive),
               pointwise_loss_case("kl_divergence/none", kl_operations(false), {Reduction::none},
                                   kPositive)}});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
