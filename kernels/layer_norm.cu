// Layer normalisation of each row of x [rows, cols]:
//
//   mean = sum_i x_i / cols                 rstd = 1 / sqrt(sum_i (x_i - mean)^2 / cols + epsilon)
//   xhat_i = (x_i - mean) rstd              y_i = xhat_i weight_i + bias_i
//
// and its gradients, with g_i = dy_i weight_i:
//
//   dx_i = rstd (g_i - sum_j g_j / cols - xhat_i sum_j g_j xhat_j / cols) (+ extra_i)
//   weight_grad_i = sum over rows of dy_i xhat_i          bias_grad_i = sum over rows of dy_i
//
// Rows are held in registers: forward reads x once, backward x and dy. The variance is that of the
// differences from the mean, not E[x^2] - mean^2, which cancels. A block of backward takes a range
// of rows and keeps its sums for the parameters in registers; a second kernel adds the blocks' sums
// [blocks, 2 cols] in order. The ranges depend on the shape alone, so results repeat bit for bit.
#include "kernels/layer_norm.h"

#include "core/device/kernel.h"
#include "kernels/column_sum.cuh"
#include "kernels/math.h"
#include "kernels/row.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

template <class T, int N, int P, bool kAdd>
__global__ void __launch_bounds__(kRowThreads<P>)
    layer_norm_forward_kernel(T* y, Accumulate<T>* means, Accumulate<T>* rstds, T* sum, const T* x,
                              const T* addend, const T* weight, const T* bias, int cols,
                              Accumulate<T> epsilon) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t row = blockIdx.x, base = row * cols;
  Row<T, N, P> input;
  if constexpr (kAdd)
    input.compute(
        block, sum + base, cols, [](int, A a, A b) { return a + b; }, Memory{x + base},
        Memory{addend + base});
  else
    input.load(block, x + base, cols);

  const A mean = row_sum<A>(
                     block, cols, [](int, A x) { return x; }, input) /
                 A(cols);
  const auto squared = [&](int, A x) { return (x - mean) * (x - mean); };
  const A rstd = A(1) / sqrt(row_sum<A>(block, cols, squared, input) / A(cols) + epsilon);
  row_map(
      block, cols, y + base, [&](int, A x, A w, A b) { return (x - mean) * rstd * w + b; }, input,
      Memory{weight}, Memory{bias});
  if (block.thread == 0) {
    means[row] = mean;
    rstds[row] = rstd;
  }
}

/// Rows a block of backward takes: few enough to fill a GPU, enough to make the sums' memory small.
int rows_per_block(std::int64_t rows) {
  constexpr std::int64_t kMostBlocks = 264, kFewestRows = 16;
  const std::int64_t share = (rows + kMostBlocks - 1) / kMostBlocks;
  return int(share < kFewestRows ? kFewestRows : share);
}
std::int64_t row_blocks(std::int64_t rows) {
  return (rows + rows_per_block(rows) - 1) / rows_per_block(rows);
}

template <class T>
struct BackwardOperands {
  T* dx;                      // [rows, cols], or null
  const T* extra;             // [rows, cols], or null; dx itself to add to it
  const T* x;                 // [rows, cols]
  const T* dy;                // [rows, cols]
  const T* weight;            // [cols]
  const Accumulate<T>* mean;  // [rows]
  const Accumulate<T>* rstd;  // [rows]
  Accumulate<T>* partials;    // [blocks, 2 cols], or null
};

/// What a row of backward needs besides its elements; c1 and c2 are the two means in dx.
template <class A>
struct RowConstants {
  A mean, rstd, c1, c2;
};

/// dx of one row, and its terms of the parameters' sums, in one pass: what a block of one thread
/// does.
template <class T, bool kExtra>
ADJOINT_DEVICE void backward_row_host(int cols, T* dx, const T* extra, const T* x, const T* dy,
                                      const T* weight, Accumulate<T>* weight_sum,
                                      Accumulate<T>* bias_sum, RowConstants<Accumulate<T>> row) {
  using A = Accumulate<T>;
  ADJOINT_SIMD
  for (int i = 0; i < cols; ++i) {
    const A xhat = (A(x[i]) - row.mean) * row.rstd, d = A(dy[i]);
    weight_sum[i] += d * xhat;
    bias_sum[i] += d;
    const A gradient = row.rstd * (d * A(weight[i]) - row.c1 - xhat * row.c2);
    dx[i] = kExtra ? gradient + A(extra[i]) : gradient;
  }
}

/// Only the terms of the parameters' sums of one row.
template <class T>
ADJOINT_DEVICE void backward_row_host(int cols, const T* x, const T* dy, Accumulate<T>* weight_sum,
                                      Accumulate<T>* bias_sum, RowConstants<Accumulate<T>> row) {
  using A = Accumulate<T>;
  ADJOINT_SIMD
  for (int i = 0; i < cols; ++i) {
    weight_sum[i] += A(dy[i]) * ((A(x[i]) - row.mean) * row.rstd);
    bias_sum[i] += A(dy[i]);
  }
}

template <int P>
inline constexpr int kBackwardThreads = P == 1 ? 128 : 256;

template <class T, int N, int P>
__global__ void __launch_bounds__(kBackwardThreads<P>)
    layer_norm_backward_kernel(BackwardOperands<T> in, std::int64_t rows, int cols,
                               int rows_of_block) {
  using A = Accumulate<T>;
  Block block;
  A* const weight_partial = in.partials + std::int64_t(blockIdx.x) * 2 * cols;
  A* const bias_partial = weight_partial + cols;
  const bool parameters = in.partials != nullptr;
  // This thread's sums for its columns: in registers, or in the scratch memory where rows are not
  // in registers either. There each element has one thread, so no barrier is needed.
  Pack<A, N> weight_sums[P > 0 ? P : 1]{}, bias_sums[P > 0 ? P : 1]{};
  if (parameters && (P == 0 || one_thread_form<N, P>())) {
    const auto clear = [&](int, int i) {
      store_pack<N>(weight_partial + i, Pack<A, N>{});
      store_pack<N>(bias_partial + i, Pack<A, N>{});
    };
    for_packs<N, 0>(block, cols, clear);
  }

  const std::int64_t begin = std::int64_t(blockIdx.x) * rows_of_block;
  const std::int64_t end = begin + rows_of_block < rows ? begin + rows_of_block : rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t base = row * cols;
    const A mean = in.mean[row], rstd = in.rstd[row];
    Row<T, N, P> x, dy;
    x.load(block, in.x + base, cols);
    dy.load(block, in.dy + base, cols);
    const auto first = [](int, A, A dy, A w) { return dy * w; };
    const auto second = [mean, rstd](int, A x, A dy, A w) { return dy * w * ((x - mean) * rstd); };
    const auto products = [&](int i, A x, A dy, A w) {
      return Values<A, 2>{first(i, x, dy, w), second(i, x, dy, w)};
    };
    // In a block of one thread two plain sums over a row in cache beat one loop for both, which GCC
    // does not vectorise here.
    const Memory weight{in.weight};
    const Values<A, 2> sums = one_thread_form<N, P>()
                                  ? Values<A, 2>{row_sum<A>(block, cols, first, x, dy, weight),
                                                 row_sum<A>(block, cols, second, x, dy, weight)}
                                  : row_sums<A>(block, cols, products, x, dy, weight);
    const RowConstants<A> constants{mean, rstd, sums[0] / A(cols), sums[1] / A(cols)};
    const auto gradient = [&](int, A x, A dy, A w, A extra) {
      const A xhat = (x - constants.mean) * constants.rstd;
      return constants.rstd * (dy * w - constants.c1 - xhat * constants.c2) + extra;
    };
    const Optional<T> extra{in.extra == nullptr ? nullptr : in.extra + base};

    if (one_thread_form<N, P>() && parameters) {
      if (in.dx == nullptr)
        backward_row_host(cols, in.x + base, in.dy + base, weight_partial, bias_partial, constants);
      else if (extra.data == nullptr)
        backward_row_host<T, false>(cols, in.dx + base, extra.data, in.x + base, in.dy + base,
                                    in.weight, weight_partial, bias_partial, constants);
      else
        backward_row_host<T, true>(cols, in.dx + base, extra.data, in.x + base, in.dy + base,
                                   in.weight, weight_partial, bias_partial, constants);
      continue;
    }
    if (parameters && !one_thread_form<N, P>()) {  // before dx, which may be dy
      for_packs<N, P>(block, cols, [&](int p, int i) {
        const auto xs = convert<A>(x.template pack<N>(p, i));
        const auto dys = convert<A>(dy.template pack<N>(p, i));
        auto weight_sum = P > 0 ? weight_sums[p] : load_pack<N>(weight_partial + i);
        auto bias_sum = P > 0 ? bias_sums[p] : load_pack<N>(bias_partial + i);
        ADJOINT_UNROLL
        for (int k = 0; k < N; ++k) {
          weight_sum[k] += dys[k] * ((xs[k] - mean) * rstd);
          bias_sum[k] += dys[k];
        }
        if constexpr (P > 0) {
          weight_sums[p] = weight_sum;
          bias_sums[p] = bias_sum;
        } else {
          store_pack<N>(weight_partial + i, weight_sum);
          store_pack<N>(bias_partial + i, bias_sum);
        }
      });
    }
    if (in.dx != nullptr)
      row_map(block, cols, in.dx + base, gradient, x, dy, Memory{in.weight}, extra);
  }

  if constexpr (P > 0)
    if (parameters && !one_thread_form<N, P>())
      for_packs<N, P>(block, cols, [&](int p, int i) {
        store_pack<N>(weight_partial + i, weight_sums[p]);
        store_pack<N>(bias_partial + i, bias_sums[p]);
      });
}

/// Adds the blocks' sums [blocks, 2 cols]: the first half of the columns is the weight's gradient.
template <class Out, class A>
__global__ void __launch_bounds__(kColumnSumThreads)
    layer_norm_parameters_kernel(Out* weight_grad, Out* bias_grad, const A* partials,
                                 std::int64_t blocks, std::int64_t cols, bool accumulate_weight,
                                 bool accumulate_bias) {
  Block block;
  sum_columns<1>(block, partials, 0, blocks, 2 * cols, [&](std::int64_t i, A sum) {
    if (i < cols)
      store_gradient(weight_grad, i, sum, accumulate_weight);
    else
      store_gradient(bias_grad, i - cols, sum, accumulate_bias);
  });
}

struct Extents {
  std::int64_t rows, cols;
};

/// Rows and columns of x, after the checks that forward and backward share.
Extents check_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& mean,
                         const Tensor& rstd) {
  ADJOINT_CHECK(x.defined() && x.contiguous(), "layer_norm: expected a contiguous x");
  const Tensor matrix = x.as_matrix();
  const std::int64_t rows = matrix.shape()[0], cols = matrix.shape()[1];
  ADJOINT_CHECK(cols < (std::int64_t{1} << 30),
                "layer_norm: expected rows of fewer than 2^30 elements, got ", cols);
  check_operand("layer_norm", "weight", weight, {x.dtype(), {cols}});
  check_operand("layer_norm", "mean", mean, {accumulation_type(x.dtype()), {rows}});
  check_operand("layer_norm", "rstd", rstd, {accumulation_type(x.dtype()), {rows}});
  return {rows, cols};
}

template <class Out, class A>
void launch_parameters(Stream& stream, const LayerNormBackward& call, std::int64_t blocks,
                       std::int64_t cols) {
  constexpr int kColumns = kColumnSumColumns<1>;
  launch<layer_norm_parameters_kernel<Out, A>>(
      stream,
      {.grid = (2 * cols + kColumns - 1) / kColumns, .block = preferred_block(kColumnSumThreads)},
      call.weight_grad.tensor.data<Out>(), call.bias_grad.tensor.data<Out>(),
      call.scratch.data<A>(), blocks, cols, call.weight_grad.accumulates(),
      call.bias_grad.accumulates());
}

}  // namespace

void layer_norm_forward(Stream& stream, const LayerNormForward& call) {
  const auto& [y, mean, rstd, x, addend, sum, weight, bias, epsilon] = call;
  const auto [rows, cols] = check_layer_norm(x, weight, mean, rstd);
  check_operand("layer_norm", "y", y, x.type());
  check_operand("layer_norm", "bias", bias, weight.type());
  if (addend.defined()) {
    check_operand("layer_norm", "addend", addend, x.type());
    check_operand("layer_norm", "sum", sum, x.type());
  }
  if (x.count() == 0) return;
  const bool aligned = rows_aligned(cols, {y, x, addend, sum, weight, bias});
  dispatch_floating(x.dtype(), "layer_norm", [&]<class T>() {
    using A = Accumulate<T>;
    dispatch_row<T, 4>(cols, aligned, [&]<int N, int P>(int threads) {
      const LaunchShape shape{.grid = rows, .block = preferred_block(threads)};
      if (addend.defined())
        launch<layer_norm_forward_kernel<T, N, P, true>, kRowBlocks<N, P>>(
            stream, shape, y.data<T>(), mean.data<A>(), rstd.data<A>(), sum.data<T>(), x.data<T>(),
            addend.data<T>(), weight.data<T>(), bias.data<T>(), int(cols), A(epsilon));
      else
        launch<layer_norm_forward_kernel<T, N, P, false>, kRowBlocks<N, P>>(
            stream, shape, y.data<T>(), mean.data<A>(), rstd.data<A>(), nullptr, x.data<T>(),
            nullptr, weight.data<T>(), bias.data<T>(), int(cols), A(epsilon));
    });
  });
}

TensorType layer_norm_scratch(std::int64_t rows, std::int64_t cols, DType dtype) {
  return {accumulation_type(dtype), Shape{row_blocks(rows), 2 * cols}};
}

void layer_norm_backward(Stream& stream, const LayerNormBackward& call) {
  const Tensor &x = call.x, &dy = call.dy, &dx = call.dx.tensor;
  const auto [rows, cols] = check_layer_norm(x, call.weight, call.mean, call.rstd);
  check_operand("layer_norm", "dy", dy, x.type());
  if (call.dx.wanted()) check_operand("layer_norm", "dx", dx, x.type());
  if (call.extra.defined()) check_operand("layer_norm", "extra", call.extra, x.type());
  const bool parameters = call.weight_grad.wanted();
  ADJOINT_CHECK(parameters == call.bias_grad.wanted(),
                "layer_norm: expected both or none of weight_grad and bias_grad to be wanted");
  ADJOINT_CHECK(!call.dx.accumulates() || !call.extra.defined(),
                "layer_norm: expected dx to be overwritten where extra is added to it");
  if (parameters) {
    const DType dtype = call.weight_grad.tensor.dtype();
    ADJOINT_CHECK(dtype == x.dtype() || dtype == DType::float32,
                  "layer_norm: weight_grad: expected ", name(x.dtype()), " or float32, got ",
                  name(dtype));
    check_operand("layer_norm", "weight_grad", call.weight_grad.tensor, {dtype, {cols}});
    check_operand("layer_norm", "bias_grad", call.bias_grad.tensor, {dtype, {cols}});
    check_operand("layer_norm", "scratch", call.scratch, layer_norm_scratch(rows, cols, x.dtype()));
  }
  if (!parameters && !call.dx.wanted()) return;
  const bool aligned = rows_aligned(
      cols, {x, dy, call.weight, call.dx.wanted() ? dx : Tensor(), call.extra, call.scratch});
  dispatch_floating(x.dtype(), "layer_norm", [&]<class T>() {
    using A = Accumulate<T>;
    T* const to = call.dx.wanted() ? dx.data<T>() : nullptr;
    const T* const extra = call.dx.accumulates()  ? to
                           : call.extra.defined() ? call.extra.data<T>()
                                                  : nullptr;
    const BackwardOperands<T> operands{.dx = to,
                                       .extra = extra,
                                       .x = x.data<T>(),
                                       .dy = dy.data<T>(),
                                       .weight = call.weight.data<T>(),
                                       .mean = call.mean.data<A>(),
                                       .rstd = call.rstd.data<A>(),
                                       .partials = parameters ? call.scratch.data<A>() : nullptr};
    if (x.count() > 0)
      dispatch_row<T, 2>(cols, aligned, [&]<int N, int P>(int threads) {
        const int most = kBackwardThreads<P>;
        launch<layer_norm_backward_kernel<T, N, P>, kRowBlocks<N, P>>(
            stream,
            {.grid = row_blocks(rows), .block = preferred_block(threads < most ? threads : most)},
            operands, rows, int(cols), rows_per_block(rows));
      });
    if (!parameters) return;
    if (call.weight_grad.tensor.dtype() == x.dtype())
      launch_parameters<T, A>(stream, call, row_blocks(rows), cols);
    else
      launch_parameters<float, A>(stream, call, row_blocks(rows), cols);
  });
}

}  // namespace adjoint::inline ADJOINT_BACKEND
