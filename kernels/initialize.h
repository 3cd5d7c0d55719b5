// Filling tensors: constants and random draws.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/initializer.h"
#include "core/tensor/tensor.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// Fills a tensor of any type (random draws: floating types) as the initializer says. Draws are
/// Philox4x32-10 with key = seed and counter = (element / 4, place, 0): the same on every backend.
void initialize(Stream& stream, const Tensor& tensor, const Initializer& initializer,
                std::uint64_t seed, std::uint64_t place);

}  // namespace adjoint::inline ADJOINT_BACKEND
