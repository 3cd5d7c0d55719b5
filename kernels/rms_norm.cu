// RMS normalisation of each row of x [rows, cols]:
//
//   rrms = 1 / sqrt(sum_i x_i^2 / cols + epsilon)           y_i = x_i rrms weight_i
//
// and its gradients, with g_i = dy_i weight_i and xhat_i = x_i rrms:
//
//   dx_i (+)= rrms (g_i - xhat_i sum_j g_j xhat_j / cols)
//   weight_grad_i (+)= sum over rows of dy_i xhat_i
//
// A sum of squares that overflows is taken again of smaller numbers.
//
// Rows are held in registers: forward reads x once, backward x and dy. A block of backward takes a
// range of rows and keeps its sums for the weight in registers; a second kernel adds the blocks'
// sums [blocks, cols] in order. The ranges depend on the shape alone, so results repeat bit for
// bit.
#include "kernels/rms_norm.h"

#include "core/device/kernel.h"
#include "kernels/kernel_body.h"
#include "kernels/math.h"
#include "kernels/norm.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "rms_norm";

/// rrms of a row whose squares overflowed, to which epsilon is nothing.
template <class A, class Input>
ADJOINT_DEVICE A rrms_of_large(Block& block, int cols, const Input& input) {
  constexpr A kUnit = kReduction<A>;
  const A squares = row_sum<A>(
      block, cols, [](int, A x) { return (x * kUnit) * (x * kUnit); }, input);
  return kUnit / sqrt(squares / A(cols));
}

template <class T, int N, int P>
ADJOINT_KERNEL_BODY void forward_body(T* y, Accumulate<T>* rrms, const T* x, const T* weight,
                                      int cols, Accumulate<T> epsilon) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t row = blockIdx.x, base = row * cols;
  Row<T, N, P> input;
  input.load(block, x + base, cols);
  const A mean_square = row_sum<A>(
                            block, cols, [](int, A x) { return x * x; }, input) /
                        A(cols);
  const A scale = kSquaresMayOverflow<T> && overflowed(mean_square)
                      ? rrms_of_large<A>(block, cols, input)
                      : A(1) / sqrt(mean_square + epsilon);
  row_map(
      block, cols, y + base, [scale](int, A x, A w) { return x * scale * w; }, input,
      InMemory{weight});
  if (block.thread == 0) rrms[row] = scale;
}

/// Blocks that registers are to suffice for where large rows would cost occupancy; 0 leaves it
/// open.
template <class T, int P>
inline constexpr int kForwardBlocks = std::is_same_v<T, float>&& P == 4 ? 4 : 0;

template <class T, int N, int P>
__global__ void __launch_bounds__(kRowThreads<P>, kForwardBlocks<T, P>)
    rms_norm_forward_kernel(T* y, Accumulate<T>* rrms, const T* x, const T* weight, int cols,
                            Accumulate<T> epsilon) {
  forward_body<T, N, P>(y, rrms, x, weight, cols, epsilon);
}

template <class T>
struct BackwardOperands {
  T* dx;                      // [rows, cols], or null
  const T* old;               // dx to add to, or null
  const T* x;                 // [rows, cols]
  const T* dy;                // [rows, cols]
  const T* weight;            // [cols]
  const Accumulate<T>* rrms;  // [rows]
  Accumulate<T>* partials;    // [blocks, cols], or null
};

template <class T, int N, int P>
ADJOINT_KERNEL_BODY void backward_body(const BackwardOperands<T>& in, std::int64_t rows, int cols,
                                       int rows_of_block) {
  using A = Accumulate<T>;
  Block block;
  ColumnTerms<T, N, P, 1> parameter(block, in.partials, cols);
  const A share = A(1) / A(cols);  // here: a division in the loop below would cost registers
  const std::int64_t begin = std::int64_t(blockIdx.x) * rows_of_block;
  const std::int64_t end = begin + rows_of_block < rows ? begin + rows_of_block : rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t base = row * cols;
    const A scale = in.rrms[row];
    Row<T, N, P> x, dy;
    x.load(block, in.x + base, cols);
    dy.load(block, in.dy + base, cols);
    const InMemory weight{in.weight};
    const A product = row_sum<A>(
        block, cols, [scale](int, A x, A dy, A w) { return dy * w * (x * scale); }, x, dy, weight);
    const A mean = product * share;
    if (parameter.wanted())  // before dx, which may be dy
      parameter.add(block, cols, x, dy,
                    [scale](A x, A dy) { return Values<A, 1>{dy * (x * scale)}; });
    if (in.dx == nullptr) continue;
    const Optional<T> old{in.old == nullptr ? nullptr : in.old + base};
    row_map(
        block, cols, in.dx + base,
        [scale, mean](int, A x, A dy, A w, A old) {
          return scale * (dy * w - x * scale * mean) + old;
        },
        x, dy, weight, old);
  }
  parameter.store(block, cols);
}

template <class T, int N, int P>
__global__ void __launch_bounds__(kNormBackwardThreads<P>)
    rms_norm_backward_kernel(BackwardOperands<T> in, std::int64_t rows, int cols,
                             int rows_of_block) {
  backward_body<T, N, P>(in, rows, cols, rows_of_block);
}

template <class T, class A>
__global__ void __launch_bounds__(kColumnSumThreads)
    rms_norm_weight_kernel(T* weight_grad, const A* partials, std::int64_t blocks,
                           std::int64_t cols, bool accumulate) {
  Block block;
  sum_columns<1>(block, partials, 0, blocks, cols,
                 [&](std::int64_t i, A sum) { store_gradient(weight_grad, i, sum, accumulate); });
}

NormExtents check_rms_norm(const Tensor& x, const Tensor& weight, const Tensor& rrms) {
  const NormExtents extents = norm_extents(kName, x);
  check_operand(kName, "weight", weight, {x.dtype(), {extents.cols}});
  check_operand(kName, "rrms", rrms, {accumulation_type(x.dtype()), {extents.rows}});
  return extents;
}

}  // namespace

void rms_norm_forward(Stream& stream, Tensor y, Tensor rrms, Tensor x, Tensor weight,
                      double epsilon) {
  const NormExtents extents = check_rms_norm(x, weight, rrms);
  const std::int64_t rows = extents.rows, cols = extents.cols;
  check_operand(kName, "y", y, x.type());
  if (x.count() == 0) return;
  dispatch_floating(x.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    dispatch_row<T, 4>(cols, rows_aligned(cols, {y, x, weight}), [&]<int N, int P>(int threads) {
      launch<rms_norm_forward_kernel<T, N, P>, kRowBlocks<N, P>>(
          stream, {.grid = rows, .block = preferred_block(threads)}, y.data<T>(), rrms.data<A>(),
          x.data<T>(), weight.data<T>(), int(cols), positive_epsilon<A>(epsilon));
    });
  });
}

TensorType rms_norm_scratch(std::int64_t rows, std::int64_t cols, DType dtype) {
  return {accumulation_type(dtype), Shape{norm_most_row_blocks(rows), cols}};
}

void rms_norm_backward(Stream& stream, const RmsNormBackward& call) {
  const Tensor& x = call.x;
  const NormExtents extents = check_rms_norm(x, call.weight, call.rrms);
  const std::int64_t rows = extents.rows, cols = extents.cols;
  check_operand(kName, "dy", call.dy, x.type());
  const Tensor dx = call.dx.wanted() ? call.dx.tensor : Tensor();
  if (dx.defined()) check_operand(kName, "dx", dx, x.type());
  const bool weighted = call.weight_grad.wanted();
  if (weighted) {
    check_operand(kName, "weight_grad", call.weight_grad.tensor, call.weight.type());
    check_operand(kName, "scratch", call.scratch, rms_norm_scratch(rows, cols, x.dtype()));
  }
  if (!weighted && !dx.defined()) return;
  const bool aligned =
      rows_aligned(cols, {x, call.dy, call.weight, dx, weighted ? call.scratch : Tensor()});
  dispatch_floating(x.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    const BackwardOperands<T> operands{.dx = dx.defined() ? dx.data<T>() : nullptr,
                                       .old = call.dx.accumulates() ? dx.data<T>() : nullptr,
                                       .x = x.data<T>(),
                                       .dy = call.dy.data<T>(),
                                       .weight = call.weight.data<T>(),
                                       .rrms = call.rrms.data<A>(),
                                       .partials = weighted ? call.scratch.data<A>() : nullptr};
    if (x.count() > 0)
      dispatch_row<T, 2>(cols, aligned, [&]<int N, int P>(int threads) {
        const int most = kNormBackwardThreads<P>;
        launch<rms_norm_backward_kernel<T, N, P>, kRowBlocks<N, P>>(
            stream,
            {.grid = norm_row_blocks(rows),
             .block = preferred_block(threads < most ? threads : most)},
            operands, rows, int(cols), norm_rows_per_block(rows));
      });
    if (!weighted) return;
    constexpr int kColumns = kColumnSumColumns<1>;
    launch<rms_norm_weight_kernel<T, A>>(
        stream,
        {.grid = (cols + kColumns - 1) / kColumns, .block = preferred_block(kColumnSumThreads)},
        call.weight_grad.tensor.data<T>(), call.scratch.data<A>(), norm_row_blocks(rows), cols,
        call.weight_grad.accumulates());
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
