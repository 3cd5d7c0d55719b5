// Rows of a table by index, and the gradient of the table. See kernels/embedding.cu.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/gradient.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// y[p, j] = table[indices[p], j]. indices: int32 [positions]; y: [positions, width] and table:
/// [vocabulary, width], of one floating type. Positions whose index lies outside [0, vocabulary)
/// become zeros and are noted in `status`, int32 [2], zero before the first call: the lowest of
/// them in any call, as embedding_bad_index() reads it.
void embedding_forward(Stream& stream, Tensor y, Tensor indices, Tensor table, Tensor status);

/// table_grad[v, j] (+)= sum of dy[p, j] over positions p with indices[p] = v, but for v = padding
/// (-1: none) and indices out of range. Added in an order that the indices alone decide: that of p,
/// in pieces where v occurs often. `scratch` of embedding_scratch() on 16 bytes, or more.
void embedding_backward(Stream& stream, Gradient table_grad, Tensor indices, Tensor dy,
                        std::int64_t padding, Tensor scratch);

/// Memory for the largest batch serves the smaller ones. dtype: that of the table.
TensorType embedding_scratch(std::int64_t positions, std::int64_t vocabulary, std::int64_t width,
                             DType dtype);

struct BadIndex {
  std::int64_t position;  ///< -1 where there was none
  std::int32_t index;
};
BadIndex embedding_bad_index(const std::int32_t status[2]);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
