#include "core/samples/target_check.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "core/base/error.h"

namespace adjoint {
namespace {

using Meaning = ValueRange::Meaning;

// Of what rounding to two digits leaves of a sum of 1.
constexpr double kNearlyOne = 0.01;

// What is mostly meant by numbers that should lie between 0 and 1 and do not.
std::string advice(std::span<const float> targets, const ValueRange& range) {
  if (range.meaning == Meaning::log_probabilities)
    return "; for probabilities set [loss] log_target = false";
  if (range.low != 0 || range.high != 1) return "";
  const auto all = [&](const auto& test) {
    return std::ranges::all_of(targets, [&](float t) { return std::isnan(t) || test(t); });
  };
  if (all([](float t) { return t == -1 || t == 1; })) return "; write 0 for -1";
  if (all([](float t) { return t == 1 || t == 2; })) return "; write 0 for 1 and 1 for 2";
  if (all([](float t) { return t >= 0 && t <= 255 && t == std::floor(t); }))
    return "; divide bytes, such as masks of 0 and 255, by 255";
  return "; numbers that are no probabilities want a loss such as mse";
}

}  // namespace

void check_targets(std::span<const float> targets, std::int64_t outputs, const LossTargets& wanted,
                   const std::function<std::string(std::int64_t, std::int64_t)>& place) {
  const ValueRange& range = wanted.range;
  if (wanted.any() || outputs == 0) return;
  const auto wrong = std::ranges::find_if(
      targets, [&](float t) { return !std::isnan(t) && !range.holds(double(t)); });
  if (wrong != targets.end()) {
    const std::int64_t at = wrong - targets.begin();
    ADJOINT_FAIL(place(at / outputs, at % outputs), ": the target is ", *wrong, ", but ",
                 wanted.loss, " compares with ", words_of_bounds(range), advice(targets, range));
  }
  const bool logarithms = range.meaning == Meaning::log_probabilities;
  if (!logarithms && range.meaning != Meaning::probabilities) return;
  for (std::int64_t row = 0; row < std::ssize(targets) / outputs; ++row) {
    double sum = 0;
    for (const float t : targets.subspan(std::size_t(row * outputs), std::size_t(outputs)))
      sum += logarithms ? std::exp(double(t)) : double(t);
    ADJOINT_CHECK(std::isnan(sum) || std::abs(sum - 1) <= kNearlyOne, place(row, 0), ": the ",
                  outputs, " targets are together ", sum, ", but ", wanted.loss,
                  " compares with probabilities, which are together 1",
                  outputs == 1 ? "; for the probability of one thing take bce_with_logits"
                               : "; divide each by their sum");
  }
}

}  // namespace adjoint
