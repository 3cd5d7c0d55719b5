// Sums over the rows of a matrix, in a fixed order: the part that column_sum and the parameter
// gradients of normalisations share.
#pragma once

#include "core/device/kernel.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr int kColumnSumThreads = 256;
inline constexpr int kColumnSumWarps = kColumnSumThreads / 32;

/// Columns that one block sums: a pack for each lane.
template <int N>
inline constexpr int kColumnSumColumns = 32 * N;

/// sink(column, sum of x[row, column] for begin <= row < end), for the columns of block x of the
/// grid; x: rows of `cols` elements. Warp w of the block takes rows begin + w, begin + w + 8, ...,
/// and the eight sums are added in order. N > 1 needs rows on 16 bytes.
template <int N, class T, class Sink>
ADJOINT_DEVICE void sum_columns(Block& block, const T* x, std::int64_t begin, std::int64_t end,
                                std::int64_t cols, const Sink& sink) {
  using A = Accumulate<T>;
  constexpr int kColumns = kColumnSumColumns<N>;
  ADJOINT_SHARED(A, partial, [kColumnSumWarps][kColumns]);
  const std::int64_t first = std::int64_t(blockIdx.x) * kColumns;
  const int columns = cols - first < kColumns ? int(cols - first) : kColumns;

  if (one_thread()) {
    A sums[kColumns] = {};
    for (std::int64_t row = begin; row < end; ++row) {
      const T* const from = x + row * cols + first;
      ADJOINT_SIMD
      for (int i = 0; i < columns; ++i) sums[i] += A(from[i]);
    }
    for (int i = 0; i < columns; ++i) sink(first + i, sums[i]);
    return;
  }

  const int warp = block.thread / 32, column = block.thread % 32 * N;
  Pack<A, N> sums{};
  if (column < columns) {
    for (std::int64_t row = begin + warp; row < end; row += kColumnSumWarps) {
      const auto values = load_pack<N>(x + row * cols + first + column);
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) sums[k] += A(values[k]);
    }
  }
  ADJOINT_UNROLL
  for (int k = 0; k < N; ++k) partial[warp][column + k] = sums[k];
  block.sync();
  ADJOINT_BLOCK_FOR(block, i, columns) {
    A sum = partial[0][i];
    for (int w = 1; w < kColumnSumWarps; ++w) sum += partial[w][i];
    sink(first + i, sum);
  }
}

namespace detail {

/// sums[i] += each from[i] in turn, in a block of one thread.
template <class A, class... T>
ADJOINT_DEVICE void add_rows(A* __restrict__ sums, int n, const T* __restrict__... from) {
  ADJOINT_SIMD
  for (int i = 0; i < n; ++i) sums[i] = (sums[i] + ... + A(from[i]));
}

}  // namespace detail

/// store(i, sums) for each pack of a row of `cols` elements: the sums in A of the rows that lie at
/// row_of(k), 0 <= k < count, added in their order. `store` is called with packs of other widths as
/// well. N > 1 needs rows on 16 bytes.
template <int N, class A, class RowOf, class Store>
ADJOINT_DEVICE void sum_rows(const Block& block, int cols, int count, const RowOf& row_of,
                             const Store& store) {
  if (one_thread()) {
    constexpr int kSlice = 256;  // of all rows in turn, in registers and the first-level cache
    for (int begin = 0; begin < cols; begin += kSlice) {
      const int n = cols - begin < kSlice ? cols - begin : kSlice;
      A sums[kSlice] = {};
      int k = 0;
      for (; k + 4 <= count; k += 4)
        detail::add_rows(sums, n, row_of(k) + begin, row_of(k + 1) + begin, row_of(k + 2) + begin,
                         row_of(k + 3) + begin);
      for (; k < count; ++k) detail::add_rows(sums, n, row_of(k) + begin);
      ADJOINT_SIMD
      for (int i = 0; i < n; ++i) store(begin + i, Pack<A, 1>{sums[i]});
    }
    return;
  }
  constexpr int kAtOnce = 2;  // loads under way; more would cost warps
  for (int i = block.thread * N; i < cols; i += block.threads * N) {
    Pack<A, N> sums{};
    int k = 0;
    // Not unrolled further, for which registers would be taken from short sums.
#pragma unroll 1
    for (; k + kAtOnce <= count; k += kAtOnce) {
      Pack<std::remove_cvref_t<decltype(*row_of(0))>, N> rows[kAtOnce];
      ADJOINT_UNROLL
      for (int j = 0; j < kAtOnce; ++j) rows[j] = load_pack<N>(row_of(k + j) + i);
      ADJOINT_UNROLL
      for (int j = 0; j < kAtOnce; ++j) ADJOINT_UNROLL
      for (int e = 0; e < N; ++e) sums[e] += A(rows[j][e]);
    }
#pragma unroll 1
    for (; k < count; ++k) {
      const auto row = load_pack<N>(row_of(k) + i);
      ADJOINT_UNROLL
      for (int e = 0; e < N; ++e) sums[e] += A(row[e]);
    }
    store(i, sums);
  }
}

/// Where a gradient of one row goes: overwritten or added to.
template <class Out, class A>
ADJOINT_DEVICE void store_gradient(Out* gradient, std::int64_t i, A value, bool accumulate) {
  gradient[i] = accumulate ? static_cast<Out>(A(gradient[i]) + value) : static_cast<Out>(value);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
