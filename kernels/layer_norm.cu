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
// differences from the mean, not E[x^2] - mean^2, which cancels; where it overflows it is taken
// again of smaller numbers. A block of backward takes a range of rows and keeps its sums for the
// parameters in registers; a second kernel adds the blocks' sums [blocks, 2 cols] in order. The
// ranges depend on the shape alone, so results repeat bit for bit.
#include "kernels/layer_norm.h"

#include "core/device/kernel.h"
#include "kernels/math.h"
#include "kernels/norm.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class A>
struct Moments {
  A mean, rstd;
};

/// Those of a row whose variance overflowed, to which epsilon is nothing.
template <class A, class Input>
ADJOINT_DEVICE Moments<A> moments_of_large(Block& block, int cols, const Input& input) {
  constexpr A kUnit = kReduction<A>;
  const A mean = row_sum<A>(
                     block, cols, [](int, A x) { return x * kUnit; }, input) /
                 A(cols);
  const auto squared = [mean](int, A x) { return (x * kUnit - mean) * (x * kUnit - mean); };
  const A variance = row_sum<A>(block, cols, squared, input) / A(cols);
  return {mean / kUnit, kUnit / sqrt(variance + std::numeric_limits<A>::min())};
}

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
        block, sum + base, cols, [](int, A a, A b) { return a + b; }, InMemory{x + base},
        InMemory{addend + base});
  else
    input.load(block, x + base, cols);

  const A sum_mean = row_sum<A>(
                         block, cols, [](int, A x) { return x; }, input) /
                     A(cols);
  const auto squared = [sum_mean](int, A x) { return (x - sum_mean) * (x - sum_mean); };
  const A variance = row_sum<A>(block, cols, squared, input) / A(cols);
  const auto [mean, rstd] = kSquaresMayOverflow<T> && overflowed(variance)
                                ? moments_of_large<A>(block, cols, input)
                                : Moments<A>{sum_mean, A(1) / sqrt(variance + epsilon)};
  row_map(
      block, cols, y + base,
      [mean = mean, rstd = rstd](int, A x, A w, A b) { return (x - mean) * rstd * w + b; }, input,
      InMemory{weight}, InMemory{bias});
  if (block.thread == 0) {
    means[row] = mean;
    rstds[row] = rstd;
  }
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

template <class T, int N, int P>
__global__ void __launch_bounds__(kNormBackwardThreads<P>)
    layer_norm_backward_kernel(BackwardOperands<T> in, std::int64_t rows, int cols,
                               int rows_of_block) {
  using A = Accumulate<T>;
  Block block;
  ColumnTerms<T, N, P, 2> parameters(block, in.partials, cols);
  const std::int64_t begin = std::int64_t(blockIdx.x) * rows_of_block;
  const std::int64_t end = begin + rows_of_block < rows ? begin + rows_of_block : rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t base = row * cols;
    const A mean = in.mean[row], rstd = in.rstd[row];
    Row<T, N, P> x, dy;
    x.load(block, in.x + base, cols);
    dy.load(block, in.dy + base, cols);
    const auto products = [mean, rstd](int, A x, A dy, A w) {
      return Values<A, 2>{dy * w, dy * w * ((x - mean) * rstd)};
    };
    const InMemory weight{in.weight};
    const Values<A, 2> sums = row_sums<A>(block, cols, products, x, dy, weight);
    const A c1 = sums[0] / A(cols), c2 = sums[1] / A(cols);
    const auto gradient = [=](int, A x, A dy, A w, A extra) {
      return rstd * (dy * w - c1 - (x - mean) * rstd * c2) + extra;
    };
    const Optional<T> extra{in.extra == nullptr ? nullptr : in.extra + base};
    if (parameters.wanted())  // before dx, which may be dy
      parameters.add(block, cols, x, dy, [mean, rstd](A x, A dy) {
        return Values<A, 2>{dy * ((x - mean) * rstd), dy};
      });
    if (in.dx != nullptr) row_map(block, cols, in.dx + base, gradient, x, dy, weight, extra);
  }
  parameters.store(block, cols);
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

/// Rows and columns of x, after the checks that forward and backward share.
NormExtents check_layer_norm(const Tensor& x, const Tensor& weight, const Tensor& mean,
                             const Tensor& rstd) {
  const NormExtents extents = norm_extents("layer_norm", x);
  check_operand("layer_norm", "weight", weight, {x.dtype(), {extents.cols}});
  check_operand("layer_norm", "mean", mean, {accumulation_type(x.dtype()), {extents.rows}});
  check_operand("layer_norm", "rstd", rstd, {accumulation_type(x.dtype()), {extents.rows}});
  return extents;
}

template <class T, int N, int P, bool kAdd>
void launch_forward(Stream& stream, const LaunchShape& shape, const LayerNormForward& call,
                    std::int64_t cols) {
  using A = Accumulate<T>;
  launch<layer_norm_forward_kernel<T, N, P, kAdd>, kRowBlocks<N, P>>(
      stream, shape, call.y.data<T>(), call.mean.data<A>(), call.rstd.data<A>(),
      kAdd ? call.sum.data<T>() : nullptr, call.x.data<T>(), kAdd ? call.addend.data<T>() : nullptr,
      call.weight.data<T>(), call.bias.data<T>(), int(cols), positive_epsilon<A>(call.epsilon));
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
  const Tensor &x = call.x, &addend = call.addend;
  const NormExtents extents = check_layer_norm(x, call.weight, call.mean, call.rstd);
  const std::int64_t rows = extents.rows, cols = extents.cols;
  check_operand("layer_norm", "y", call.y, x.type());
  check_operand("layer_norm", "bias", call.bias, call.weight.type());
  if (addend.defined()) {
    check_operand("layer_norm", "addend", addend, x.type());
    check_operand("layer_norm", "sum", call.sum, x.type());
  }
  if (x.count() == 0) return;
  const bool aligned = rows_aligned(cols, {call.y, x, addend, call.sum, call.weight, call.bias});
  dispatch_floating(x.dtype(), "layer_norm", [&]<class T>() {
    dispatch_row<T, 4>(cols, aligned, [&]<int N, int P>(int threads) {
      const LaunchShape shape{.grid = rows, .block = preferred_block(threads)};
      if (addend.defined())
        launch_forward<T, N, P, true>(stream, shape, call, cols);
      else
        launch_forward<T, N, P, false>(stream, shape, call, cols);
    });
  });
}

TensorType layer_norm_scratch(std::int64_t rows, std::int64_t cols, DType dtype) {
  return {accumulation_type(dtype), Shape{norm_most_row_blocks(rows), 2 * cols}};
}

void layer_norm_backward(Stream& stream, const LayerNormBackward& call) {
  const Tensor &x = call.x, &dy = call.dy, &dx = call.dx.tensor;
  const NormExtents extents = check_layer_norm(x, call.weight, call.mean, call.rstd);
  const std::int64_t rows = extents.rows, cols = extents.cols;
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
        const int most = kNormBackwardThreads<P>;
        launch<layer_norm_backward_kernel<T, N, P>, kRowBlocks<N, P>>(
            stream,
            {.grid = norm_row_blocks(rows),
             .block = preferred_block(threads < most ? threads : most)},
            operands, rows, int(cols), norm_rows_per_block(rows));
      });
    if (!parameters) return;
    if (call.weight_grad.tensor.dtype() == x.dtype())
      launch_parameters<T, A>(stream, call, norm_row_blocks(rows), cols);
    else
      launch_parameters<float, A>(stream, call, norm_row_blocks(rows), cols);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
