// What the normalisations of rows share: x [rows, cols] is normalised by row and scaled by a weight
// of each column. A block of backward takes a range of rows and keeps its sums for the parameters
// in registers; a second kernel adds the blocks' sums in order. The ranges depend on the shape
// alone, so results repeat bit for bit.
#pragma once

#include "kernels/column_sum.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Whether sums of squares of T can leave the type they are made in. Those of float16 cannot.
template <class T>
inline constexpr bool kSquaresMayOverflow = !std::is_same_v<T, float16>;

struct NormExtents {
  std::int64_t rows, cols;
};

/// Rows and columns of what is normalised. Throws Error where the kernels cannot index it.
inline NormExtents norm_extents(std::string_view kernel, const Tensor& x) {
  ADJOINT_CHECK(x.defined() && x.contiguous(), kernel, ": expected a contiguous x");
  const Tensor matrix = x.as_matrix();
  const std::int64_t cols = matrix.shape()[1];
  ADJOINT_CHECK(cols < (std::int64_t{1} << 30), kernel,
                ": expected rows of fewer than 2^30 elements, got ", cols);
  return {matrix.shape()[0], cols};
}

/// Rows a block of backward takes: by the shape, not by the card, whose sums would else be its own.
inline constexpr std::int64_t kNormMostBlocks = 264, kNormFewestRows = 16;
inline int norm_rows_per_block(std::int64_t rows) {
  const std::int64_t share = (rows + kNormMostBlocks - 1) / kNormMostBlocks;
  return int(share < kNormFewestRows ? kNormFewestRows : share);
}
inline std::int64_t norm_row_blocks(std::int64_t rows) {
  return (rows + norm_rows_per_block(rows) - 1) / norm_rows_per_block(rows);
}

/// At least as many, and no fewer for more rows: memory for the largest batch serves the smaller
/// ones, though their blocks may be more.
inline std::int64_t norm_most_row_blocks(std::int64_t rows) {
  const std::int64_t shortest = (rows + kNormFewestRows - 1) / kNormFewestRows;
  return shortest < kNormMostBlocks ? shortest : kNormMostBlocks;
}

template <int P>
inline constexpr int kNormBackwardThreads = P == 1 ? 128 : 256;

/// A block's sums over its rows of kTerms terms for each column, the gradients of as many
/// parameters: in a thread's registers, or in the scratch memory where rows are not in registers
/// either. There each element has one thread, so no barrier is needed.
template <class T, int N, int P, int kTerms>
class ColumnTerms {
  using A = Accumulate<T>;

 public:
  /// `partials` [blocks, kTerms, cols]: where the sums go; null where none are wanted.
  ADJOINT_DEVICE ColumnTerms(const Block& block, A* partials, int cols)
      : partial_(partials == nullptr ? nullptr
                                     : partials + std::int64_t(blockIdx.x) * kTerms * cols) {
    if (partial_ == nullptr || (P > 0 && !one_thread_form<N, P>())) return;
    for_packs<N, 0>(block, cols, [&](int, int i) {
      ADJOINT_UNROLL
      for (int t = 0; t < kTerms; ++t) store_pack<N>(sums_of(t, cols) + i, Pack<A, N>{});
    });
  }

  ADJOINT_DEVICE bool wanted() const { return partial_ != nullptr; }

  /// The sums of term t in memory: [cols].
  ADJOINT_DEVICE A* sums_of(int t, int cols) const { return partial_ + std::int64_t(t) * cols; }

  /// Adds terms(x_i, dy_i), a Values<A, kTerms>, for one row.
  template <class Function>
  ADJOINT_DEVICE void add(const Block& block, int cols, const Row<T, N, P>& x,
                          const Row<T, N, P>& dy, const Function& terms) {
    if (one_thread_form<N, P>()) {
      static_assert(kTerms <= 2);
      A* const first = sums_of(0, cols);
      A* const second = sums_of(kTerms - 1, cols);
      ADJOINT_SIMD
      for (int i = 0; i < cols; ++i) {
        const Values<A, kTerms> of = terms(A(x.element(i)), A(dy.element(i)));
        first[i] += of.v[0];
        if constexpr (kTerms > 1) second[i] += of.v[1];
      }
      return;
    }
    for_packs<N, P>(block, cols, [&](int p, int i) {
      const auto xs = convert<A>(x.template pack<N>(p, i));
      const auto dys = convert<A>(dy.template pack<N>(p, i));
      Values<A, kTerms> of[N];
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) of[k] = terms(xs[k], dys[k]);
      ADJOINT_UNROLL
      for (int t = 0; t < kTerms; ++t) {
        auto sum = P > 0 ? held_[t][p] : load_pack<N>(sums_of(t, cols) + i);
        ADJOINT_UNROLL
        for (int k = 0; k < N; ++k) sum[k] += of[k][t];
        if constexpr (P > 0)
          held_[t][p] = sum;
        else
          store_pack<N>(sums_of(t, cols) + i, sum);
      }
    });
  }

  /// Writes what is held, after the last row.
  ADJOINT_DEVICE void store(const Block& block, int cols) const {
    if constexpr (P > 0) {
      if (partial_ == nullptr) return;
      for_packs<N, P>(block, cols, [&](int p, int i) {
        ADJOINT_UNROLL
        for (int t = 0; t < kTerms; ++t) store_pack<N>(sums_of(t, cols) + i, held_[t][p]);
      });
    }
  }

 private:
  A* const partial_;
  Pack<A, N> held_[kTerms][P > 0 ? P : 1]{};
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
