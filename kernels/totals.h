// What a batch's losses add up to, as losses leave it on the device and optimizers read it:
// {sum of losses, number that count, number predicted right}, and, where the sum is not to be
// divided by the second, a fourth number, 1, by which it is. Readers tell by the shape, so that
// reports have the count either way, and so that over the batches of one update counts are added,
// and 1 stays 1.
#pragma once

#include "core/tensor/shape.h"

namespace adjoint {

inline Shape totals_shape(bool undivided) { return {undivided ? 4 : 3}; }
inline bool is_totals(const Shape& shape) { return shape == Shape{3} || shape == Shape{4}; }
inline bool is_undivided(const Shape& totals) { return totals == Shape{4}; }

}  // namespace adjoint
