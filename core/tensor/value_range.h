// ValueRange: what is known of the numbers of a tensor before any of them is seen. Layers say what
// they make, losses what they are made for; so a model that cannot learn is found when it is built,
// and targets that mean something else when they are read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>

#include "core/base/error.h"

namespace adjoint {

/// Bounds of numbers, both included, and what they are along the last axis.
struct ValueRange {
  enum class Meaning : std::uint8_t {
    unknown,            ///< nothing is known but the bounds
    plain,              ///< known to be none of those below: scores, logits, activations
    probabilities,      ///< along the last axis: in [0, 1], together 1
    log_probabilities,  ///< logarithms of such
  };
  static constexpr double kInfinity = std::numeric_limits<double>::infinity();

  double low = -kInfinity;
  double high = kInfinity;
  Meaning meaning = Meaning::unknown;

  /// Any real number, as a linear layer makes: logits.
  static constexpr ValueRange real() { return {-kInfinity, kInfinity, Meaning::plain}; }
  static constexpr ValueRange between(double low, double high) {
    return {low, high, Meaning::plain};
  }
  static constexpr ValueRange above(double low) { return between(low, kInfinity); }
  static constexpr ValueRange probabilities() { return {0, 1, Meaning::probabilities}; }
  static constexpr ValueRange log_probabilities() {
    return {-kInfinity, 0, Meaning::log_probabilities};
  }

  constexpr bool bounded() const { return low > -kInfinity || high < kInfinity; }
  /// False for NaN.
  constexpr bool holds(double value) const { return value >= low && value <= high; }

  /// The same numbers in another order or shape; unless rows along the last axis stay together,
  /// they are no probabilities of one thing.
  constexpr ValueRange rearranged(bool rows_stay) const {
    return {low, high, rows_stay || meaning == Meaning::unknown ? meaning : Meaning::plain};
  }
  /// Numbers of either.
  constexpr ValueRange joined(const ValueRange& other) const {
    return {std::min(low, other.low), std::max(high, other.high),
            meaning == other.meaning ? meaning : Meaning::unknown};
  }
  /// Means of any number of them. Those of probabilities over samples are some, over classes not.
  constexpr ValueRange averaged() const {
    return {low, high, meaning == Meaning::plain ? meaning : Meaning::unknown};
  }
  /// Sums of any number of them.
  constexpr ValueRange summed() const {
    return {low < 0 ? -kInfinity : 0, high > 0 ? kInfinity : 0, averaged().meaning};
  }
  /// Sums of a number of each.
  constexpr ValueRange plus(const ValueRange& other) const {
    const bool known = meaning != Meaning::unknown && other.meaning != Meaning::unknown;
    return {low + other.low, high + other.high, known ? Meaning::plain : Meaning::unknown};
  }
  /// 0 or a number times this factor, above 0.
  constexpr ValueRange scaled_or_zero(double factor) const {
    return {std::min(0.0, factor * low), std::max(0.0, factor * high),
            meaning == Meaning::unknown ? meaning : Meaning::plain};
  }

  bool operator==(const ValueRange&) const = default;
};

/// "numbers from 0 to 1", "any real numbers".
inline std::string words_of_bounds(const ValueRange& range) {
  if (!range.bounded()) return "any real numbers";
  if (range.high == ValueRange::kInfinity) return str("numbers of at least ", range.low);
  if (range.low == -ValueRange::kInfinity) return str("numbers of at most ", range.high);
  return str("numbers from ", range.low, " to ", range.high);
}

}  // namespace adjoint
