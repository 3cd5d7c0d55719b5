// Two sums at once, of terms that a function makes: along runs, and down columns.
#pragma once

#include "kernels/column_sum.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// This thread's share of both sums of terms(i), Values<A, 2>, over i < count: neighbouring threads
/// take neighbours, the first of them the thread whose `turn` it is.
template <class A, class Terms>
ADJOINT_DEVICE Values<A, 2> run_sums(const Block& block, int count, int turn, const Terms& terms) {
  if (one_thread()) return sums_in_pieces<A>(count, terms);
  Values<A, 2> sums{};
  const int thread =
      block.thread >= turn ? block.thread - turn : block.thread - turn + block.threads;
  for (int i = thread; i < count; i += block.threads) sums = Sum{}(sums, terms(i));
  return sums;
}

/// sink(column, sums) for 32 neighbouring columns, those of block x of the grid: sums of
/// term(column, index), Values<A, 2>, over rows [begin, end), `index` being that of the element in
/// rows of `cols`. Rows are taken and added as in sum_columns(). Ends with a barrier.
template <class A, class Term, class Sink>
ADJOINT_DEVICE void sum_column_pairs(Block& block, std::int64_t begin, std::int64_t end,
                                     std::int64_t cols, const Term& term, const Sink& sink) {
  ADJOINT_SHARED(A, partial, [2][kColumnSumWarps][32]);
  const std::int64_t first = std::int64_t(blockIdx.x) * 32;
  if (one_thread()) {
    // One block of sixteen takes the columns of all: memory is read in longer runs.
    constexpr int kBlocks = 16;
    if (blockIdx.x % kBlocks != 0) return;
    const std::int64_t left = cols - first;
    const int columns = left < 32 * kBlocks ? int(left) : 32 * kBlocks;
    A firsts[32 * kBlocks] = {}, seconds[32 * kBlocks] = {};
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t base = row * cols + first;
      ADJOINT_SIMD
      for (int i = 0; i < columns; ++i) {
        const Values<A, 2> value = term(int(first) + i, base + i);
        firsts[i] += value.v[0];
        seconds[i] += value.v[1];
      }
    }
    for (int i = 0; i < columns; ++i) sink(int(first) + i, Values<A, 2>{firsts[i], seconds[i]});
    return;
  }
  const int columns = cols - first < 32 ? int(cols - first) : 32;
  const int warp = block.thread / 32, lane = block.thread % 32;
  Values<A, 2> sum{};
  if (lane < columns)
    for (std::int64_t row = begin + warp; row < end; row += kColumnSumWarps)
      sum = Sum{}(sum, term(int(first) + lane, row * cols + first + lane));
  partial[0][warp][lane] = sum[0];
  partial[1][warp][lane] = sum[1];
  block.sync();
  if (warp == 0 && lane < columns) {
    for (int w = 1; w < kColumnSumWarps; ++w) {
      sum[0] += partial[0][w][lane];
      sum[1] += partial[1][w][lane];
    }
    sink(int(first) + lane, sum);
  }
  block.sync();  // before anything of this round is used or written over
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
