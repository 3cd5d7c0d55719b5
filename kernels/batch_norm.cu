// Batch normalisation of each channel c of x [samples, channels, inner], over its n elements:
//
//   mean = sum x / n                        rstd = 1 / sqrt(sum (x - mean)^2 / n + epsilon)
//   xhat = (x - mean) rstd                  y = xhat weight_c + bias_c
//   running_mean     += momentum (mean - running_mean)
//   running_variance += momentum (sum (x - mean)^2 / (n - 1) - running_variance)
//
// (a biased running variance divides by n),
//
// and its gradients:
//
//   weight_grad_c (+)= sum dy xhat          bias_grad_c (+)= sum dy
//   dx (+)= weight_c rstd (dy - sum dy / n - xhat sum dy xhat / n)
//
// Outside training mean and rstd are the running ones, constants: dx (+)= weight_c rstd dy.
//
// Three kernels each way: blocks make sums of ranges of samples, one thread a channel combines the
// ranges in their order, and a last kernel goes over the elements. The ranges' moments, mean and
// sum of squared differences from it, are combined as Chan et al. 1979 do: sums of squares would
// cancel. Those whose squares overflow are taken again of numbers times kReduction.
#include "kernels/batch_norm.h"

#include "core/device/kernel.h"
#include "kernels/channels.cuh"
#include "kernels/kernel_body.h"
#include "kernels/math.h"
#include "kernels/norm.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// Writes the moments of channels whose squares overflowed.
template <class T, bool kInner>
ADJOINT_DEVICE void moments_of_large(Block& block, const ChannelShape& shape, std::int64_t begin,
                                     std::int64_t end, Accumulate<T>* means, Accumulate<T>* squares,
                                     const T* x) {
  using A = Accumulate<T>;
  constexpr A kUnit = kReduction<A>;
  const A n = A((end - begin) * shape.inner);
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [x](int, std::int64_t i) {
        return Values<A, 2>{A(x[i]) * kUnit, A(0)};
      },
      [=](int channel, const Values<A, 2>& sum) {
        if (overflowed(squares[channel])) means[channel] = sum[0] / n;
      });
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [x, means](int channel, std::int64_t i) {
        const A difference = A(x[i]) * kUnit - means[channel];
        return Values<A, 2>{difference * difference, A(0)};
      },
      [=](int channel, const Values<A, 2>& sum) {
        if (overflowed(squares[channel]))
          squares[channel] = -sum[0] - std::numeric_limits<A>::min();
      });
}

/// partials[range, 0, c] = mean, partials[range, 1, c] = sum of squared differences from it; of
/// reduced numbers where that would overflow, which a negative sum tells.
template <class T, bool kInner>
ADJOINT_KERNEL_BODY void moments_body(const ChannelShape& shape, std::int64_t of_range,
                                      Accumulate<T>* partials, const T* x) {
  using A = Accumulate<T>;
  Block block;
  const auto [begin, end] = sample_range(shape, of_range);
  const A n = A((end - begin) * shape.inner);
  A* const means = partials + std::int64_t(blockIdx.y) * 2 * shape.channels;
  A* const squares = means + shape.channels;
  bool large = false;
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [x](int, std::int64_t i) {
        return Values<A, 2>{A(x[i]), A(0)};
      },
      [&](int channel, const Values<A, 2>& sum) { means[channel] = sum[0] / n; });
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [x, means](int channel, std::int64_t i) {
        const A difference = A(x[i]) - means[channel];
        return Values<A, 2>{difference * difference, A(0)};
      },
      [&](int channel, const Values<A, 2>& sum) {
        squares[channel] = sum[0];
        large = large || overflowed(sum[0]);
      });
  if constexpr (kSquaresMayOverflow<T>)
    if (block.any(large)) moments_of_large<T, kInner>(block, shape, begin, end, means, squares, x);
}

template <class T, bool kInner>
__global__ void __launch_bounds__(kColumnSumThreads)
    batch_norm_moments_kernel(ChannelShape shape, std::int64_t of_range, Accumulate<T>* partials,
                              const T* x) {
  moments_body<T, kInner>(shape, of_range, partials, x);
}

/// Moments of samples, their numbers times `unit`.
template <class A>
struct Moments {
  A mean, squares, count;
};

template <class A>
struct Statistics {
  A* mean;                // [channels]
  A* rstd;                // [channels]
  A* running_mean;        // [channels]
  A* running_variance;    // [channels]
  const A* partials;      // [ranges, 2, channels]
  std::int64_t of_range;  // samples
  std::int64_t ranges;
  A momentum, epsilon;
  A correction;  // of n in the running variance: 1, or 0 for the biased one
};

/// Combines the ranges of a channel.
template <class A>
ADJOINT_DEVICE Moments<A> combined_moments(const ChannelShape& shape, const Statistics<A>& in,
                                           std::int64_t c, A unit) {
  const std::int64_t channels = shape.channels;
  Moments<A> total{};
  for (std::int64_t range = 0; range < in.ranges; ++range) {
    const std::int64_t left = shape.samples - range * in.of_range;
    const A n = A((left < in.of_range ? left : in.of_range) * shape.inner);
    const A mean = in.partials[2 * range * channels + c];
    const A squares = in.partials[(2 * range + 1) * channels + c];
    const A factor = squares < A(0) ? unit / kReduction<A> : unit;
    const A difference = mean * factor - total.mean;
    const A share = n / (total.count + n);
    total.squares += (squares < A(0) ? -squares : squares) * factor * factor +
                     difference * difference * total.count * share;
    total.mean += difference * share;
    total.count += n;
  }
  return total;
}

template <class A>
__global__ void __launch_bounds__(kChannelThreads)
    batch_norm_statistics_kernel(ChannelShape shape, Statistics<A> in, bool training) {
  const std::int64_t channels = shape.channels;
  ADJOINT_GRID_FOR(c, channels) {
    A mean = in.running_mean[c], variance = in.running_variance[c], unit = 1;
    if (training) {
      Moments<A> batch = combined_moments(shape, in, c, unit);
      if (overflowed(batch.squares)) {
        unit = kReduction<A>;
        batch = combined_moments(shape, in, c, unit);
      }
      mean = batch.mean / unit;
      in.running_mean[c] += in.momentum * (mean - in.running_mean[c]);
      // No more than the largest number, from which later batches come back: infinity would stay,
      // and turn into NaN.
      const A followed = batch.squares / (batch.count - in.correction) / unit / unit;
      constexpr A kMost = std::numeric_limits<A>::max();
      in.running_variance[c] += in.momentum * ((followed > kMost ? kMost : followed) - variance);
      variance = batch.squares / batch.count;
    }
    in.mean[c] = mean;
    // To a variance that large epsilon is nothing, but 0 must not be divided by.
    const A least = unit == A(1) ? in.epsilon : std::numeric_limits<A>::min();
    in.rstd[c] = unit / sqrt(variance + least);
  }
}

/// Parameters of a channel where they may be absent.
template <class T>
struct OrOne {
  using Element = Accumulate<T>;
  const T* data;

  template <int N>
  ADJOINT_DEVICE Pack<Element, N> pack(int, int i) const {
    Pack<Element, N> values;
    ADJOINT_UNROLL
    for (int k = 0; k < N; ++k) values[k] = element(i + k);
    return values;
  }
  ADJOINT_DEVICE Element element(int i) const {
    return data != nullptr ? Element(data[i]) : Element(1);
  }
};

template <class T, int N, bool kInner>
ADJOINT_KERNEL_BODY void normalize_body(const ChannelShape& shape, T* y, const T* x,
                                        const T* weight, const T* bias, const Accumulate<T>* mean,
                                        const Accumulate<T>* rstd) {
  using A = Accumulate<T>;
  Block block;
  for_channel_row<kInner>(shape, [&](int c, std::int64_t base, int cols) {
    Row<T, N, 0> row;
    row.load(block, x + base, cols);
    if constexpr (kInner) {
      const A m = mean[c], scale = rstd[c] * OrOne<T>{weight}.element(c);
      const A shift = bias != nullptr ? A(bias[c]) : A(0);
      row_map(
          block, cols, y + base, [=](int, A x) { return (x - m) * scale + shift; }, row);
    } else {
      row_map(
          block, cols, y + base, [](int, A x, A m, A r, A w, A b) { return (x - m) * (r * w) + b; },
          row, InMemory{mean}, InMemory{rstd}, OrOne<T>{weight}, Optional<T>{bias});
    }
  });
}

template <class T, int N, bool kInner>
__global__ void __launch_bounds__(256)
    batch_norm_normalize_kernel(ChannelShape shape, T* y, const T* x, const T* weight,
                                const T* bias, const Accumulate<T>* mean,
                                const Accumulate<T>* rstd) {
  normalize_body<T, N, kInner>(shape, y, x, weight, bias, mean, rstd);
}

/// partials[range, 0, c] = sum dy, partials[range, 1, c] = sum dy xhat.
template <class T, bool kInner>
ADJOINT_KERNEL_BODY void gradient_sums_body(const ChannelShape& shape, std::int64_t of_range,
                                            Accumulate<T>* partials, const T* x, const T* dy,
                                            const Accumulate<T>* mean, const Accumulate<T>* rstd) {
  using A = Accumulate<T>;
  Block block;
  const auto [begin, end] = sample_range(shape, of_range);
  A* const sums = partials + std::int64_t(blockIdx.y) * 2 * shape.channels;
  sum_channels<kInner, A>(
      block, shape, begin, end,
      [=](int channel, std::int64_t i) {
        const A d = A(dy[i]);
        return Values<A, 2>{d, d * ((A(x[i]) - mean[channel]) * rstd[channel])};
      },
      [&](int channel, const Values<A, 2>& sum) {
        sums[channel] = sum[0];
        sums[shape.channels + channel] = sum[1];
      });
}

template <class T, bool kInner>
__global__ void __launch_bounds__(kColumnSumThreads)
    batch_norm_gradient_sums_kernel(ChannelShape shape, std::int64_t of_range,
                                    Accumulate<T>* partials, const T* x, const T* dy,
                                    const Accumulate<T>* mean, const Accumulate<T>* rstd) {
  gradient_sums_body<T, kInner>(shape, of_range, partials, x, dy, mean, rstd);
}

template <class T>
struct BackwardOperands {
  T* dx;
  const T* old;  // dx to add to, or null
  const T* x;
  const T* dy;
  const T* weight;  // or null
  const Accumulate<T>* mean;
  const Accumulate<T>* rstd;
  const Accumulate<T>* sums;  // [2, channels]
  Accumulate<T> share;        // 1 / n; 0 outside training, whose statistics are constants
};

template <class T, int N, bool kInner>
ADJOINT_KERNEL_BODY void backward_body(const ChannelShape& shape, const BackwardOperands<T>& in) {
  using A = Accumulate<T>;
  Block block;
  for_channel_row<kInner>(shape, [&](int c, std::int64_t base, int cols) {
    Row<T, N, 0> x;
    x.load(block, in.x + base, cols);
    const InMemory dy{in.dy + base};
    const Optional<T> old{in.old == nullptr ? nullptr : in.old + base};
    const A share = in.share;
    const auto gradient = [share](A x, A d, A mean, A rstd, A weight, A sum, A product) {
      const A xhat = (x - mean) * rstd;
      return weight * rstd * (d - sum * share - xhat * (product * share));
    };
    if constexpr (kInner) {
      const A mean = in.mean[c], rstd = in.rstd[c], weight = OrOne<T>{in.weight}.element(c);
      const A sum = in.sums[c], product = in.sums[shape.channels + c];
      row_map(
          block, cols, in.dx + base,
          [=](int, A x, A d, A old) {
            return gradient(x, d, mean, rstd, weight, sum, product) + old;
          },
          x, dy, old);
    } else {
      row_map(
          block, cols, in.dx + base,
          [=](int, A x, A d, A old, A mean, A rstd, A weight, A sum, A product) {
            return gradient(x, d, mean, rstd, weight, sum, product) + old;
          },
          x, dy, old, InMemory{in.mean}, InMemory{in.rstd}, OrOne<T>{in.weight}, InMemory{in.sums},
          InMemory{in.sums + shape.channels});
    }
  });
}

template <class T, int N, bool kInner>
__global__ void __launch_bounds__(256)
    batch_norm_backward_kernel(ChannelShape shape, BackwardOperands<T> in) {
  backward_body<T, N, kInner>(shape, in);
}

constexpr const char* kName = "batch_norm";

ChannelShape check_batch_norm(const Tensor& x, const Tensor& weight, const Tensor& mean,
                              const Tensor& rstd) {
  ADJOINT_CHECK(x.defined() && x.contiguous(), kName, ": expected a contiguous x");
  const ChannelShape shape = channel_shape(kName, x.shape());
  const TensorType statistics{accumulation_type(x.dtype()), {shape.channels}};
  if (weight.defined()) check_operand(kName, "weight", weight, {x.dtype(), {shape.channels}});
  check_operand(kName, "mean", mean, statistics);
  check_operand(kName, "rstd", rstd, statistics);
  return shape;
}

template <class T>
void launch_statistics(Stream& stream, const BatchNormForward& call, const ChannelShape& shape) {
  using A = Accumulate<T>;
  if (call.training)
    dispatch_channels(shape, [&]<bool kInner>() {
      launch<batch_norm_moments_kernel<T, kInner>>(stream, channel_sum_launch(shape), shape,
                                                   shape.samples_per_range(),
                                                   call.scratch.data<A>(), call.x.data<T>());
    });
  launch<batch_norm_statistics_kernel<A>>(
      stream, channel_launch(shape), shape,
      Statistics<A>{.mean = call.mean.data<A>(),
                    .rstd = call.rstd.data<A>(),
                    .running_mean = call.running_mean.data<A>(),
                    .running_variance = call.running_variance.data<A>(),
                    .partials = data_or_null<A>(call.training ? call.scratch : Tensor()),
                    .of_range = shape.samples_per_range(),
                    .ranges = shape.ranges(),
                    .momentum = A(call.momentum),
                    .epsilon = positive_epsilon<A>(call.epsilon),
                    .correction = A(call.unbiased ? 1 : 0)},
      call.training);
}

}  // namespace

TensorType batch_norm_scratch(const ChannelShape& shape, DType dtype) {
  return {accumulation_type(dtype), shape.partials()};
}

void batch_norm_forward(Stream& stream, const BatchNormForward& call) {
  const ChannelShape shape = check_batch_norm(call.x, call.weight, call.mean, call.rstd);
  const TensorType statistics = call.mean.type();
  check_operand(kName, "y", call.y, call.x.type());
  if (call.bias.defined())
    check_operand(kName, "bias", call.bias, {call.x.dtype(), {shape.channels}});
  check_operand(kName, "running_mean", call.running_mean, statistics);
  check_operand(kName, "running_variance", call.running_variance, statistics);
  if (call.training) {
    ADJOINT_CHECK(shape.count() >= 2, kName, ": a batch of one sample and one element a channel, ",
                  call.x.shape(), ", has no variance to train with; drop last batches of one, or ",
                  "evaluate");
    check_operand(kName, "scratch", call.scratch, batch_norm_scratch(shape, call.x.dtype()));
  }
  if (call.x.count() == 0) return;
  dispatch_channel_rows(shape, kName, call.x, {call.y, call.x, call.bias, call.mean, call.rstd},
                        [&]<class T, int N, bool kInner>() {
                          using A = Accumulate<T>;
                          launch_statistics<T>(stream, call, shape);
                          launch<batch_norm_normalize_kernel<T, N, kInner>>(
                              stream, channel_row_launch(shape, N), shape, call.y.data<T>(),
                              call.x.data<T>(), data_or_null<T>(call.weight),
                              data_or_null<T>(call.bias), call.mean.data<A>(), call.rstd.data<A>());
                        });
}

void batch_norm_backward(Stream& stream, const BatchNormBackward& call) {
  const ChannelShape shape = check_batch_norm(call.x, call.weight, call.mean, call.rstd);
  const Tensor& x = call.x;
  check_operand(kName, "dy", call.dy, x.type());
  const auto checked = [&](const char* operand, const Gradient& gradient, const TensorType& type) {
    if (!gradient.wanted()) return Tensor();
    check_operand(kName, operand, gradient.tensor, type);
    return gradient.tensor;
  };
  const Tensor dx = checked("dx", call.dx, x.type());
  const TensorType parameter{x.dtype(), {shape.channels}};
  const Tensor weight_grad = checked("weight_grad", call.weight_grad, parameter);
  const Tensor bias_grad = checked("bias_grad", call.bias_grad, parameter);
  check_operand(kName, "scratch", call.scratch, batch_norm_scratch(shape, x.dtype()));
  if (x.count() == 0) {
    store_empty_sums(stream, call.weight_grad);
    store_empty_sums(stream, call.bias_grad);
    return;
  }
  const Tensor sums(call.scratch.data(), call.scratch.dtype(), {2, shape.channels});
  dispatch_channel_rows(
      shape, kName, x, {x, call.dy, dx, call.mean, call.rstd, sums},
      [&]<class T, int N, bool kInner>() {
        using A = Accumulate<T>;
        A* const partials = call.scratch.data<A>();
        launch<batch_norm_gradient_sums_kernel<T, kInner>>(
            stream, channel_sum_launch(shape), shape, shape.samples_per_range(), partials,
            x.data<T>(), call.dy.data<T>(), call.mean.data<A>(), call.rstd.data<A>());
        launch<channel_gradients_kernel<T>>(
            stream, channel_launch(shape), shape, shape.ranges(), partials,
            data_or_null<T>(bias_grad), data_or_null<T>(weight_grad), call.bias_grad.accumulates(),
            call.weight_grad.accumulates());
        if (!dx.defined()) return;
        const A share = call.training ? A(1) / A(shape.count()) : A(0);
        launch<batch_norm_backward_kernel<T, N, kInner>>(
            stream, channel_row_launch(shape, N), shape,
            BackwardOperands<T>{.dx = dx.data<T>(),
                                .old = call.dx.accumulates() ? dx.data<T>() : nullptr,
                                .x = x.data<T>(),
                                .dy = call.dy.data<T>(),
                                .weight = data_or_null<T>(call.weight),
                                .mean = call.mean.data<A>(),
                                .rstd = call.rstd.data<A>(),
                                .sums = partials,
                                .share = share});
      });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
