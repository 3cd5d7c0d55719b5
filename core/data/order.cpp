#include "core/data/order.h"

#include <limits>
#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/data/random.h"

namespace adjoint {

void shuffled_order(std::span<std::int32_t> order, std::uint64_t seed, std::uint64_t epoch) {
  ADJOINT_CHECK(order.size() <= std::size_t(std::numeric_limits<std::int32_t>::max()),
                "shuffled order: expected at most 2147483647 samples, got ", order.size());
  std::iota(order.begin(), order.end(), 0);
  // The constant keeps these draws apart from those of other uses of the same seed.
  SampleRandom random(seed ^ 0x6f72646572u, epoch);
  for (std::size_t left = order.size(); left > 1; --left)
    std::swap(order[left - 1], order[std::size_t(random.below(left))]);
}

}  // namespace adjoint
