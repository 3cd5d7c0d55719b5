// For each row x of [rows, cols], with m = max x and z = sum_j exp(x_j - m):
//
//   plain      y_i = exp(x_i - m) / z       dx_i (+)= y_i (dy_i - sum_j dy_j y_j)
//   logarithm  y_i = x_i - m - log z        dx_i (+)= dy_i - exp(y_i) sum_j dy_j
//
// A block takes a row, held in registers: forward reads x once, backward y and dy.
#include "kernels/softmax.h"

#include "core/device/kernel.h"
#include "kernels/kernel_body.h"
#include "kernels/math.h"
#include "kernels/row_algorithms.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "softmax";

template <class T, int N, int P, bool kLogarithm>
ADJOINT_KERNEL_BODY void forward_body(T* y, const T* x, int cols) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t base = std::int64_t(blockIdx.x) * cols;
  Row<T, N, P> row;
  row.load(block, x + base, cols);
  const A largest = row_max<A>(block, cols, row);
  const auto term = [largest](int, A x) { return exp(x - largest); };
  if constexpr (kLogarithm) {
    const A log_z = log(row_sum<A>(block, cols, term, row));
    row_map(
        block, cols, y + base, [=](int, A x) { return x - largest - log_z; }, row);
  } else {
    row_shares<A>(block, cols, y + base, term, row);
  }
}

template <class T, int N, int P, bool kLogarithm>
__global__ void __launch_bounds__(kRowThreads<P>, 1)
    softmax_forward_kernel(T* y, const T* x, int cols) {
  forward_body<T, N, P, kLogarithm>(y, x, cols);
}

template <int P>
inline constexpr int kBackwardThreads = P == 1 ? 128 : 256;

template <class T, int N, int P, bool kLogarithm>
ADJOINT_KERNEL_BODY void backward_body(T* dx, const T* old, const T* y, const T* dy, int cols) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t base = std::int64_t(blockIdx.x) * cols;
  Row<T, N, P> ys, dys;
  ys.load(block, y + base, cols);
  dys.load(block, dy + base, cols);
  const Optional<T> olds{old == nullptr ? nullptr : old + base};
  if constexpr (kLogarithm) {
    const A sum = row_sum<A>(
        block, cols, [](int, A dy) { return dy; }, dys);
    row_map(
        block, cols, dx + base, [sum](int, A y, A dy, A old) { return dy - exp(y) * sum + old; },
        ys, dys, olds);
  } else {
    const A sum = row_sum<A>(
        block, cols, [](int, A y, A dy) { return y * dy; }, ys, dys);
    row_map(
        block, cols, dx + base, [sum](int, A y, A dy, A old) { return y * (dy - sum) + old; }, ys,
        dys, olds);
  }
}

template <class T, int N, int P, bool kLogarithm>
__global__ void __launch_bounds__(kBackwardThreads<P>, 1)
    softmax_backward_kernel(T* dx, const T* old, const T* y, const T* dy, int cols) {
  backward_body<T, N, P, kLogarithm>(dx, old, y, dy, cols);
}

Shape rows_of(const Tensor& tensor) {
  ADJOINT_CHECK(tensor.defined() && tensor.contiguous(), kName, ": expected a contiguous tensor");
  const Shape rows = tensor.as_matrix().shape();
  ADJOINT_CHECK(rows[1] < (std::int64_t{1} << 30), kName,
                ": expected rows of fewer than 2^30 elements, got ", rows[1]);
  return rows;
}

/// Calls function.template operator()<kLogarithm>().
template <class Function>
void dispatch_form(SoftmaxForm form, const Function& function) {
  if (form == SoftmaxForm::logarithm)
    function.template operator()<true>();
  else
    function.template operator()<false>();
}

}  // namespace

void softmax_forward(Stream& stream, SoftmaxForm form, Tensor y, Tensor x) {
  const Shape shape = rows_of(x);
  check_operand(kName, "y", y, x.type());
  if (x.count() == 0) return;
  const bool aligned = rows_aligned(shape[1], {y, x});
  dispatch_floating(x.dtype(), kName, [&]<class T>() {
    dispatch_row<T, 2>(shape[1], aligned, [&]<int N, int P>(int threads) {
      dispatch_form(form, [&]<bool kLogarithm>() {
        launch<softmax_forward_kernel<T, N, P, kLogarithm>, kRowBlocks<N, P>>(
            stream, {.grid = shape[0], .block = preferred_block(threads)}, y.data<T>(), x.data<T>(),
            int(shape[1]));
      });
    });
  });
}

void softmax_backward(Stream& stream, SoftmaxForm form, Gradient dx, Tensor y, Tensor dy) {
  if (!dx.wanted()) return;
  const Shape shape = rows_of(y);
  check_operand(kName, "dy", dy, y.type());
  check_operand(kName, "dx", dx.tensor, y.type());
  if (y.count() == 0) return;
  const bool aligned = rows_aligned(shape[1], {dx.tensor, y, dy});
  dispatch_floating(y.dtype(), kName, [&]<class T>() {
    dispatch_row<T, 2>(shape[1], aligned, [&]<int N, int P>(int threads) {
      const int most = kBackwardThreads<P>;
      T* const to = dx.tensor.data<T>();
      dispatch_form(form, [&]<bool kLogarithm>() {
        launch<softmax_backward_kernel<T, N, P, kLogarithm>, kRowBlocks<N, P>>(
            stream, {.grid = shape[0], .block = preferred_block(threads < most ? threads : most)},
            to, dx.accumulates() ? to : nullptr, y.data<T>(), dy.data<T>(), int(shape[1]));
      });
    });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
