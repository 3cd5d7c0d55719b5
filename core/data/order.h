// The order in which an epoch visits its samples: a function of (seed, epoch) and nothing else, so
// that a run can be repeated, resumed at any epoch and loaded by any number of threads.
#pragma once

#include <cstdint>
#include <span>

namespace adjoint {

/// Fills `order` with the numbers 0 .. size - 1, shuffled (Fisher and Yates; Knuth, "The Art of
/// Computer Programming" 3.4.2, algorithm P) by draws keyed with seed and epoch. Throws Error for
/// more than 2^31 - 1 samples.
void shuffled_order(std::span<std::int32_t> order, std::uint64_t seed, std::uint64_t epoch);

}  // namespace adjoint
