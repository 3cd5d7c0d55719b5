// out_j (+)= sum_i x_ij for x [rows, cols]. A block sums a group of columns over a range of rows;
// where there are several ranges, their sums [ranges, cols] are summed by a second launch of the
// same kernel. Ranges depend on the shape alone: the order of additions is fixed.
#include "kernels/column_sum.h"

#include "kernels/column_sum.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class Out, class T, int N>
__global__ void __launch_bounds__(kColumnSumThreads)
    column_sum_kernel(Out* out, const T* x, std::int64_t rows, std::int64_t cols,
                      std::int64_t rows_of_range, bool accumulate) {
  Block block;
  const std::int64_t range = blockIdx.y, begin = range * rows_of_range;
  const std::int64_t end = begin + rows_of_range < rows ? begin + rows_of_range : rows;
  sum_columns<N>(block, x, begin, end, cols, [&](std::int64_t column, auto sum) {
    store_gradient(out + range * cols, column, sum, accumulate);
  });
}

std::int64_t rows_per_range(std::int64_t rows) {
  constexpr std::int64_t kFewestRows = 128, kMostRanges = 64;
  const std::int64_t share = (rows + kMostRanges - 1) / kMostRanges;
  return share < kFewestRows ? kFewestRows : share;
}

template <class Out, class T>
void launch_column_sum(Stream& stream, Out* out, const T* x, std::int64_t rows, std::int64_t cols,
                       std::int64_t rows_of_range, bool accumulate) {
  const std::int64_t ranges = rows == 0 ? 1 : (rows + rows_of_range - 1) / rows_of_range;
  const auto shape = [&](int columns) {
    return LaunchShape{.grid = {(cols + columns - 1) / columns, ranges},
                       .block = preferred_block(kColumnSumThreads)};
  };
  if constexpr (sizeof(T) < 8) {
    constexpr int N = 16 / sizeof(T);
    if (aligned16(x) && cols % N == 0)
      return launch<column_sum_kernel<Out, T, N>>(stream, shape(kColumnSumColumns<N>), out, x, rows,
                                                  cols, rows_of_range, accumulate);
  }
  launch<column_sum_kernel<Out, T, 1>>(stream, shape(kColumnSumColumns<1>), out, x, rows, cols,
                                       rows_of_range, accumulate);
}

}  // namespace

TensorType column_sum_scratch(std::int64_t rows, std::int64_t cols, DType dtype) {
  const std::int64_t range = rows_per_range(rows), ranges = (rows + range - 1) / range;
  return {accumulation_type(dtype), Shape{ranges > 1 ? ranges : 0, cols}};
}

void column_sum(Stream& stream, Gradient out, Tensor x, Tensor scratch) {
  if (!out.wanted()) return;
  const Tensor matrix = x.as_matrix();
  const std::int64_t rows = matrix.shape()[0], cols = matrix.shape()[1];
  ADJOINT_CHECK(out.tensor.dtype() == x.dtype() || out.tensor.dtype() == DType::float32,
                "column_sum: out: expected ", name(x.dtype()), " or float32, got ",
                name(out.tensor.dtype()));
  check_operand("column_sum", "out", out.tensor, {out.tensor.dtype(), {cols}});
  const TensorType needed = column_sum_scratch(rows, cols, x.dtype());
  dispatch_floating(x.dtype(), "column_sum", [&]<class T>() {
    using A = Accumulate<T>;
    const auto finish = [&](auto* to) {
      if (needed.shape.count() == 0)
        return launch_column_sum(stream, to, x.data<T>(), rows, cols, rows_per_range(rows),
                                 out.accumulates());
      check_operand("column_sum", "scratch", scratch, needed);
      const std::int64_t ranges = needed.shape[0];
      launch_column_sum(stream, scratch.data<A>(), x.data<T>(), rows, cols, rows_per_range(rows),
                        false);
      launch_column_sum(stream, to, static_cast<const A*>(scratch.data<A>()), ranges, cols, ranges,
                        out.accumulates());
    };
    if (out.tensor.dtype() == x.dtype())
      finish(out.tensor.data<T>());
    else
      finish(out.tensor.data<float>());
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
