// Tensors as [samples, channels, inner], the channel being the axis that statistics and parameters
// go along: [batch, features] has inner 1, [batch, channels, height, width] inner height x width.
// What batch normalisation and PReLU share: sums over a channel in a fixed order, and the rows that
// elementwise kernels take. Ranges of samples depend on the shape alone, so sums repeat bit for
// bit.
#pragma once

#include "core/tensor/gradient.h"
#include "kernels/channels.h"
#include "kernels/pair_sum.cuh"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Sums over samples [begin, end) for the channels of block x of the grid: calls
/// sink(channel, sums) once for each, from one thread, after sums of term(channel, index), which
/// gives Values<A, 2> for the element at `index`. With kInner a block has one channel, whose
/// elements lie in runs; else 32, neighbours in memory. Ends with a barrier.
template <bool kInner, class A, class Term, class Sink>
ADJOINT_DEVICE void sum_channels(Block& block, const ChannelShape& shape, std::int64_t begin,
                                 std::int64_t end, const Term& term, const Sink& sink) {
  if constexpr (kInner) {
    const int channel = int(blockIdx.x), inner = int(shape.inner);
    Values<A, 2> sum{};
    for (std::int64_t sample = begin; sample < end; ++sample) {
      const std::int64_t base = (sample * shape.channels + channel) * inner;
      // Short runs would leave threads idle: sample by sample they take turns.
      const int turn = int((sample - begin) * inner % block.threads);
      const auto terms = [&](int i) { return term(channel, base + i); };
      sum = Sum{}(sum, run_sums<A>(block, inner, turn, terms));
    }
    sum = block.sum(sum);
    if (block.thread == 0) sink(channel, sum);
    block.sync();
  } else {
    sum_column_pairs<A>(block, begin, end, shape.channels, term, sink);
  }
}

inline constexpr int kChannelThreads = 128;

/// Adds the sums of all ranges, partials [ranges, 2, channels], in their order, to the gradients of
/// up to two parameters. The first range's place holds the totals afterwards.
template <class T>
__global__ void __launch_bounds__(kChannelThreads)
    channel_gradients_kernel(ChannelShape shape, std::int64_t ranges, Accumulate<T>* partials,
                             T* first_grad, T* second_grad, bool add_first, bool add_second) {
  using A = Accumulate<T>;
  const std::int64_t channels = shape.channels;
  ADJOINT_GRID_FOR(c, channels) {
    A first = 0, second = 0;
    for (std::int64_t range = 0; range < ranges; ++range) {
      first += partials[2 * range * channels + c];
      second += partials[(2 * range + 1) * channels + c];
    }
    partials[c] = first;
    partials[channels + c] = second;
    if (first_grad != nullptr) store_gradient(first_grad, c, first, add_first);
    if (second_grad != nullptr) store_gradient(second_grad, c, second, add_second);
  }
}

/// Samples [begin, end) of block y of the grid.
struct SampleRange {
  std::int64_t begin, end;
};
ADJOINT_DEVICE SampleRange sample_range(const ChannelShape& shape, std::int64_t of_range) {
  const std::int64_t begin = std::int64_t(blockIdx.y) * of_range;
  return {begin, begin + of_range < shape.samples ? begin + of_range : shape.samples};
}

/// Calls function(channel, base, cols) for the rows of this block: with kInner a row is a run of
/// one channel, else a sample, whose channels it covers (channel 0 being its first).
template <bool kInner, class Function>
ADJOINT_DEVICE void for_channel_row(const ChannelShape& shape, const Function& function) {
  const std::int64_t row = blockIdx.x;
  if constexpr (kInner)
    function(int(row % shape.channels), row * shape.inner, int(shape.inner));
  else
    function(0, row * shape.channels, int(shape.channels));
}

/// Calls function.template operator()<kInner>().
template <class Function>
void dispatch_channels(const ChannelShape& shape, const Function& function) {
  if (shape.inner > 1)
    function.template operator()<true>();
  else
    function.template operator()<false>();
}

template <class T>
T* data_or_null(const Tensor& tensor) {
  return tensor.defined() ? tensor.data<T>() : nullptr;
}

/// The gradient of a parameter where there are no elements: zeros, or nothing added.
inline void store_empty_sums(Stream& stream, const Gradient& gradient) {
  if (!gradient.wanted() || gradient.accumulates()) return;
  fill_bytes(stream, gradient.tensor.data(), 0, gradient.tensor.bytes());
}

/// The launch of a kernel with a thread for each channel.
inline LaunchShape channel_launch(const ChannelShape& shape) {
  return {.grid = (shape.channels + kChannelThreads - 1) / kChannelThreads,
          .block = preferred_block(kChannelThreads)};
}

/// The launch of a kernel on sum_channels().
inline LaunchShape channel_sum_launch(const ChannelShape& shape) {
  const std::int64_t groups = shape.inner > 1 ? shape.channels : (shape.channels + 31) / 32;
  return {.grid = {groups, shape.ranges()}, .block = preferred_block(kColumnSumThreads)};
}

/// The launch of a kernel on for_channel_row(); N elements to a pack.
inline LaunchShape channel_row_launch(const ChannelShape& shape, int N) {
  const std::int64_t rows = shape.inner > 1 ? shape.samples * shape.channels : shape.samples;
  const std::int64_t packs = (shape.row() + N - 1) / N;
  const int threads = packs >= 256 ? 256 : int((packs + 31) / 32 * 32);
  return {.grid = rows, .block = preferred_block(threads)};
}

/// Calls function.template operator()<T, N, kInner>() for elementwise kernels over these operands.
template <class Function>
void dispatch_channel_rows(const ChannelShape& shape, std::string_view kernel, const Tensor& x,
                           std::initializer_list<Tensor> operands, const Function& function) {
  const bool aligned = rows_aligned(shape.row(), operands);
  dispatch_floating(x.dtype(), kernel, [&]<class T>() {
    constexpr int N = sizeof(T) < 8 ? 16 / sizeof(T) : 1;
    dispatch_channels(shape, [&]<bool kInner>() {
      if constexpr (N > 1)
        if (aligned) return function.template operator()<T, N, kInner>();
      function.template operator()<T, 1, kInner>();
    });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
