// An update of all parameters in one launch, as optimizers ask for it: the arrays, and the pieces
// of the slab with the settings of their parameters. The arithmetic is a functor's, see
// kernels/slab_update.cuh.
#pragma once

#include <array>
#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"
#include "kernels/update_state.h"

namespace adjoint {

/// What one block updates. Lies in device memory, a table with a line for each block.
struct SlabPiece {
  std::int64_t begin = 0;      ///< a multiple of 8 elements, so that every type is aligned
  std::int32_t length = 0;     ///< at most kSlabPiece
  std::int32_t parameter = 0;  ///< index, where pieces do not cross parameters
  double rate_scale = 1;       ///< times the learning rate
  double weight_decay = 0;
};
static_assert(sizeof(SlabPiece) == 32);

/// The pieces of one parameter.
struct PieceRange {
  std::int32_t first = 0;
  std::int32_t count = 0;
};

}  // namespace adjoint

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr int kMaxMoments = 3;

/// Norms of each parameter (kernels/lamb_norms.h), for updates that scale parameter by parameter.
/// Device memory.
struct ParameterNorms {
  const PieceRange* pieces = nullptr;  ///< [parameters]
  double* partial_sums = nullptr;      ///< [pieces, 2]
  unsigned* arrived = nullptr;         ///< [parameters], zero between steps
  double* ratio = nullptr;             ///< [parameters], the result
};

/// All tensors [count], 16-byte aligned.
struct SlabUpdate {
  Tensor master;    ///< float32 or float64; updated
  Tensor gradient;  ///< the sum over samples, of master's type or a 16-bit one
  /// Of master's type, updated. Those a method keeps only with some options may be undefined: they
  /// read as zero and are not written.
  std::array<Tensor, kMaxMoments> moments;
  Tensor compute;         ///< 16-bit copy of master to refresh, or undefined
  Tensor average;         ///< moving average of master to update, of its type, or undefined:
                          ///< average = k average + (1 - k) p with k = state->average_kept
  double clip_value = 0;  ///< largest element of the mean gradient after clipping by
                          ///< norm; 0: none
  const SlabPiece* pieces = nullptr;  ///< device memory
  std::int64_t piece_count = 0;
  ParameterNorms norms = {};
  const UpdateState* state = nullptr;  ///< device memory, as gradient_norm() left it
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
