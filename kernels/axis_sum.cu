// y[o, i] = scale sum_a x[o, a, i] for x [outer, extent, inner]. Where inner is 1 a block sums a
// row; else a block has 32 columns of one outer entry, or 32 packs of them, and its warps take
// turns at the rows. The order of additions depends on the shape alone.
#include "kernels/axis_sum.h"

#include "core/device/kernel.h"
#include "kernels/column_sum.cuh"
#include "kernels/kernel_body.h"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "axis_sum";

template <class T, int N>
ADJOINT_KERNEL_BODY void row_body(T* y, const T* x, int extent, Accumulate<T> scale) {
  using A = Accumulate<T>;
  Block block;
  Row<T, N, 0> row;
  row.load(block, x + std::int64_t(blockIdx.x) * extent, extent);
  const A sum = row_sum<A>(
      block, extent, [](int, A x) { return x; }, row);
  if (block.thread == 0) y[blockIdx.x] = static_cast<T>(scale * sum);
}

template <class T, int N>
__global__ void __launch_bounds__(kRowThreads<0>)
    axis_sum_rows_kernel(T* y, const T* x, int extent, Accumulate<T> scale) {
  row_body<T, N>(y, x, extent, scale);
}

template <class T, int N>
ADJOINT_KERNEL_BODY void columns_body(T* y, const T* x, std::int64_t outer, std::int64_t extent,
                                      std::int64_t inner, Accumulate<T> scale) {
  using A = Accumulate<T>;
  Block block;
  for (std::int64_t o = blockIdx.y; o < outer; o += gridDim.y) {
    sum_columns<N>(block, x + o * extent * inner, 0, extent, inner,
                   [&](std::int64_t i, A sum) { y[o * inner + i] = static_cast<T>(scale * sum); });
    block.sync();  // the next round writes over the warps' sums
  }
}

template <class T, int N>
__global__ void __launch_bounds__(kColumnSumThreads)
    axis_sum_columns_kernel(T* y, const T* x, std::int64_t outer, std::int64_t extent,
                            std::int64_t inner, Accumulate<T> scale) {
  columns_body<T, N>(y, x, outer, extent, inner, scale);
}

}  // namespace

void axis_sum(Stream& stream, Tensor y, Tensor x, double scale) {
  ADJOINT_CHECK(x.defined() && x.shape().rank() == 3 && x.contiguous(), kName,
                ": expected a contiguous x [outer, extent, inner]");
  const std::int64_t outer = x.shape()[0], extent = x.shape()[1], inner = x.shape()[2];
  check_operand(kName, "y", y, {x.dtype(), {outer, inner}});
  ADJOINT_CHECK(extent < (std::int64_t{1} << 30), kName,
                ": expected an axis of fewer than 2^30 entries, got ", extent);
  if (y.count() == 0) return;
  const bool aligned = rows_aligned(inner == 1 ? extent : inner, {x});
  dispatch_floating(x.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    const auto run = [&]<int N>() {
      if (inner == 1) {
        const std::int64_t packs = (extent + N - 1) / N;
        const int threads = packs >= kRowThreads<0> ? kRowThreads<0>
                            : packs == 0            ? 32
                                                    : int((packs + 31) / 32 * 32);
        launch<axis_sum_rows_kernel<T, N>>(stream,
                                           {.grid = outer, .block = preferred_block(threads)},
                                           y.data<T>(), x.data<T>(), int(extent), A(scale));
      } else {
        constexpr int kColumns = kColumnSumColumns<N>;
        constexpr std::int64_t kMostOuter = 65535;
        launch<axis_sum_columns_kernel<T, N>>(
            stream,
            {.grid = {(inner + kColumns - 1) / kColumns, outer < kMostOuter ? outer : kMostOuter},
             .block = preferred_block(kColumnSumThreads)},
            y.data<T>(), x.data<T>(), outer, extent, inner, A(scale));
      }
    };
    if constexpr (sizeof(T) < 8)
      if (aligned) return run.template operator()<16 / int(sizeof(T))>();
    run.template operator()<1>();
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
