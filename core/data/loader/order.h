// The order in which an epoch visits its samples: a function of (seed, epoch) and nothing else, so
// that a run can be repeated, resumed at any epoch and loaded by any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace adjoint {

/// Fills `order` with the numbers 0 .. size - 1, shuffled (Fisher and Yates; Knuth, "The Art of
/// Computer Programming" 3.4.2, algorithm P) by draws keyed with seed and epoch. Throws Error for
/// more than 2^31 - 1 samples.
void shuffled_order(std::span<std::int32_t> order, std::uint64_t seed, std::uint64_t epoch);

/// Draws samples with replacement, sample i with probability weights[i] / sum of all. Two draws a
/// sample, whatever their number: the alias method (Walker 1977, built as Vose 1991 does).
class WeightedOrder {
 public:
  /// Throws Error unless every weight is finite and not negative, one is positive, and there are at
  /// most 2^31 - 1.
  explicit WeightedOrder(std::span<const double> weights);

  /// Fills `order`, of any size, by draws keyed with seed and epoch.
  void draw(std::span<std::int32_t> order, std::uint64_t seed, std::uint64_t epoch) const;

 private:
  // Place i is sample i with probability keep_[i], else sample alias_[i].
  std::vector<double> keep_;
  std::vector<std::int32_t> alias_;
};

}  // namespace adjoint
