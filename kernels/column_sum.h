// Sums over the rows of a matrix: the gradient of a bias.
#pragma once

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// out[j] (+)= sum of x[i, j] over i. x: [rows, cols] in any leading shape, floating; out: [cols],
/// of x's type or float32. `scratch` as column_sum_scratch() says; undefined where that has no
/// elements.
void column_sum(Stream& stream, Gradient out, Tensor x, Tensor scratch);

/// What tall matrices need between two kernels; of no elements for others.
TensorType column_sum_scratch(std::int64_t rows, std::int64_t cols, DType dtype);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
