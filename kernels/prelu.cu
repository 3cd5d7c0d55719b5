// For each channel c of x [samples, channels, inner]:
//
//   y = x where x > 0, else slope_c x       dx (+)= dy where x > 0, else slope_c dy
//                                           slope_grad_c (+)= sum of dy x where x <= 0
//
// The sum is made by ranges of samples, which a second kernel adds in their order; dx, which may be
// dy, comes last.
#include "kernels/prelu.h"

#include "core/device/kernel.h"
#include "kernels/channels.cuh"
#include "kernels/kernel_body.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr const char* kName = "prelu";

/// y or dx: `by` is x, or dy, taken where x > 0 and else multiplied.
template <class T>
struct Operands {
  T* to;
  const T* old;  // to add to, or null
  const T* x;
  const T* by;
  const T* slope;
};

template <class T, int N, bool kInner>
ADJOINT_KERNEL_BODY void rows_body(const ChannelShape& shape, const Operands<T>& in) {
  using A = Accumulate<T>;
  Block block;
  for_channel_row<kInner>(shape, [&](int c, std::int64_t base, int cols) {
    Row<T, N, 0> x;
    x.load(block, in.x + base, cols);
    const InMemory by{in.by + base};
    const Optional<T> old{in.old == nullptr ? nullptr : in.old + base};
    if constexpr (kInner) {
      const A slope = A(in.slope[c]);
      row_map(
          block, cols, in.to + base,
          [slope](int, A x, A by, A old) { return (x > A(0) ? by : slope * by) + old; }, x, by,
          old);
    } else {
      row_map(
          block, cols, in.to + base,
          [](int, A x, A by, A old, A slope) { return (x > A(0) ? by : slope * by) + old; }, x, by,
          old, InMemory{in.slope});
    }
  });
}

template <class T, int N, bool kInner>
__global__ void __launch_bounds__(256) prelu_kernel(ChannelShape shape, Operands<T> in) {
  rows_body<T, N, kInner>(shape, in);
}

template <class T, bool kInner>
ADJOINT_KERNEL_BODY void sums_body(const ChannelShape& shape, std::int64_t of_range,
                                   Accumulate<T>* partials, const T* x, const T* dy) {
  using A = Accumulate<T>;
  Block block;
  const auto [begin, end] = sample_range(shape, of_range);
  A* const sums = partials + std::int64_t(blockIdx.y) * 2 * shape.channels;
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [=](int, std::int64_t i) {
        const A value = A(x[i]);
        return Values<A, 2>{value > A(0) ? A(0) : A(dy[i]) * value, A(0)};
      },
      [&](int channel, const Values<A, 2>& sum) {
        sums[channel] = sum[0];
        sums[shape.channels + channel] = A(0);
      });
}

template <class T, bool kInner>
__global__ void __launch_bounds__(kColumnSumThreads)
    prelu_sums_kernel(ChannelShape shape, std::int64_t of_range, Accumulate<T>* partials,
                      const T* x, const T* dy) {
  sums_body<T, kInner>(shape, of_range, partials, x, dy);
}

void check_prelu(const ChannelShape& shape, const Tensor& x, const Tensor& slope) {
  ADJOINT_CHECK(
      x.defined() && x.contiguous() && x.count() == shape.samples * shape.channels * shape.inner,
      kName, ": expected a contiguous x of ", shape.samples, " x ", shape.channels, " x ",
      shape.inner, " elements");
  check_operand(kName, "slope", slope, {x.dtype(), {shape.channels}});
}

}  // namespace

TensorType prelu_scratch(const ChannelShape& shape, DType dtype) {
  return {accumulation_type(dtype), shape.partials()};
}

void prelu_forward(Stream& stream, const ChannelShape& shape, Tensor y, Tensor x, Tensor slope) {
  check_prelu(shape, x, slope);
  check_operand(kName, "y", y, x.type());
  if (x.count() == 0) return;
  dispatch_channel_rows(shape, kName, x, {y, x, slope}, [&]<class T, int N, bool kInner>() {
    launch<prelu_kernel<T, N, kInner>>(
        stream, channel_row_launch(shape, N), shape,
        Operands<T>{y.data<T>(), nullptr, x.data<T>(), x.data<T>(), slope.data<T>()});
  });
}

void prelu_backward(Stream& stream, const ChannelShape& shape, const PReLUBackward& call) {
  const Tensor& x = call.x;
  check_prelu(shape, x, call.slope);
  check_operand(kName, "dy", call.dy, x.type());
  const Tensor dx = call.dx.wanted() ? call.dx.tensor : Tensor();
  if (dx.defined()) check_operand(kName, "dx", dx, x.type());
  if (call.slope_grad.wanted()) {
    check_operand(kName, "slope_grad", call.slope_grad.tensor, call.slope.type());
    check_operand(kName, "scratch", call.scratch, prelu_scratch(shape, x.dtype()));
  }
  if (x.count() == 0) return store_empty_sums(stream, call.slope_grad);
  dispatch_channel_rows(
      shape, kName, x, {x, call.dy, dx, call.slope}, [&]<class T, int N, bool kInner>() {
        using A = Accumulate<T>;
        if (call.slope_grad.wanted()) {
          A* const partials = call.scratch.data<A>();
          launch<prelu_sums_kernel<T, kInner>>(stream, channel_sum_launch(shape), shape,
                                               shape.samples_per_range(), partials, x.data<T>(),
                                               call.dy.data<T>());
          launch<channel_gradients_kernel<T>>(stream, channel_launch(shape), shape, shape.ranges(),
                                              partials, call.slope_grad.tensor.data<T>(), nullptr,
                                              call.slope_grad.accumulates(), false);
        }
        if (!dx.defined()) return;
        launch<prelu_kernel<T, N, kInner>>(
            stream, channel_row_launch(shape, N), shape,
            Operands<T>{dx.data<T>(), call.dx.accumulates() ? dx.data<T>() : nullptr, x.data<T>(),
                        call.dy.data<T>(), call.slope.data<T>()});
      });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
