// Filling tensors: constants and random draws.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/initializer.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Fills a tensor of any type (random draws: floating types) as the initializer says. Element i
/// depends on (seed, place, i) alone, by Philox4x32-10: the same on every backend, up to the
/// rounding of logarithm and cosine. Of place the lowest 24 bits count. Waits for the device where
/// the initializer is orthogonal, whose elements depend on each other.
void initialize(Stream& stream, const Tensor& tensor, const Initializer& initializer,
                std::uint64_t seed, std::uint64_t place);

/// Fills a floating tensor with *value, in device memory.
void fill(Stream& stream, const Tensor& tensor, const float* value);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
