// Copies between tensors of one shape and any strides: what concatenation, splitting, slicing,
// permuting and broadcasting come down to.
#pragma once

#include <cstdint>
#include <vector>

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// to (+)= scale from, element by element, as the mode says; floating, of one type and shape. No
/// two elements of `to` may lie in one place; strides of 0 in `from` broadcast. The two may not
/// overlap.
void strided_copy(Stream& stream, Gradient to, Tensor from, double scale = 1.0);

/// The entries [begin, begin + extent) along an axis (negative axes count from the back).
Tensor slice_of(const Tensor& tensor, int axis, std::int64_t begin, std::int64_t extent);

/// The same elements with axes in another order: axis k of the result is axes[k] of the tensor.
Tensor permuted(const Tensor& tensor, const std::vector<int>& axes);

/// A tensor without the axis as one that has `extent` equal entries along it.
Tensor broadcast_along(const Tensor& tensor, int axis, std::int64_t extent);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
