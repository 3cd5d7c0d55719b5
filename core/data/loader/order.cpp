#include "core/data/loader/order.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/samples/random.h"

namespace adjoint {
namespace {

constexpr auto kMostSamples = std::size_t(std::numeric_limits<std::int32_t>::max());

}  // namespace

void shuffled_order(std::span<std::int32_t> order, std::uint64_t seed, std::uint64_t epoch) {
  ADJOINT_CHECK(order.size() <= kMostSamples,
                "shuffled order: expected at most 2147483647 samples, got ", order.size());
  std::iota(order.begin(), order.end(), 0);
  // The constant keeps these draws apart from those of other uses of the same seed.
  SampleRandom random(seed ^ 0x6f72646572u, epoch);
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[std::size_t(random.below(left))]);
}

WeightedOrder::WeightedOrder(std::span<const double> weights)
    : keep_(weights.size()), alias_(weights.size()) {
  ADJOINT_CHECK(weights.size() <= kMostSamples,
                "weighted order: expected at most 2147483647 samples, got ", weights.size());
  double sum = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    ADJOINT_CHECK(weights[i] >= 0 && std::isfinite(weights[i]), "weighted order: sample ", i,
                  " has weight ", weights[i], "; expected a finite number of at least 0");
    sum += weights[i];
  }
  ADJOINT_CHECK(sum > 0 && std::isfinite(sum),
                "weighted order: expected a positive sum of weights, got ", sum);
  // Places with less than their fair share of probability are filled up by one with more.
  std::vector<std::int32_t> less, more;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    keep_[i] = weights[i] / sum * static_cast<double>(weights.size());
    alias_[i] = static_cast<std::int32_t>(i);
    (keep_[i] < 1 ? less : more).push_back(static_cast<std::int32_t>(i));
  }
  while (!less.empty() && !more.empty()) {
    const std::int32_t low = less.back(), high = more.back();
    less.pop_back();
    alias_[low] = high;
    keep_[high] -= 1 - keep_[low];
    if (keep_[high] < 1) {
      more.pop_back();
      less.push_back(high);
    }
  }
  // What is left of either differs from 1 by rounding alone, and keeps its place.
  for (const auto& rest : {less, more})
    for (std::int32_t i : rest) keep_[i] = weights[i] > 0 ? 1 : keep_[i];
}

void WeightedOrder::draw(std::span<std::int32_t> order, std::uint64_t seed,
                         std::uint64_t epoch) const {
  SampleRandom random(seed ^ 0x7765696768u, epoch);
  for (std::int32_t& sample : order) {
    const auto place = static_cast<std::size_t>(random.below(keep_.size()));
    sample = random.uniform() < keep_[place] ? static_cast<std::int32_t>(place) : alias_[place];
  }
}

}  // namespace adjoint
