// Dropout without a stored mask: backward draws forward's random numbers again.
#pragma once

#include <cstdint>

#include "core/device/context.h"
#include "core/tensor/gradient.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// out (+)= in keep / (1 - p), keep drawn per element with probability 1 - p from Philox: key =
/// seed, counter = (element / 4, place, step), step read from device memory when the kernel runs.
/// Called with x and y it is the forward pass, with dy and dx of the same step and place the
/// backward pass. 0 <= p <= 1; of place the lowest 24 bits count; out and in of one floating type
/// and count; out may be in. (The bits kept depend on nothing else: not on type, batch size,
/// alignment or threads.)
void dropout(Stream& stream, Gradient out, Tensor in, double p, const RandomState& random,
             std::uint64_t place);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
