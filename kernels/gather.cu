// batch[b, c, j] = rows[indices[(*position + b) % n], c, j] scale_c + shift_c, for rows [samples,
// channels, width] of bytes or float32. A block takes one channel of one row, so that scale and
// shift are constants of a plain row; the block of channel 0 fetches the label too.
#include "kernels/gather.h"

#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class Out, class In, int N>
__global__ void __launch_bounds__(128)
    gather_kernel(Out* batch, std::int32_t* batch_labels, const In* rows,
                  const std::int32_t* labels, const std::int32_t* indices, std::int64_t count,
                  const std::uint64_t* position, const float* scales, const float* shifts,
                  int width) {
  Block block;
  const std::int64_t row = blockIdx.x, channel = blockIdx.y, channels = gridDim.y;
  const std::int64_t sample = indices[(*position + std::uint64_t(row)) % std::uint64_t(count)];
  const float scale = scales[channel], shift = shifts[channel];
  Out* const to = batch + (row * channels + channel) * width;
  const In* const from = rows + (sample * channels + channel) * width;
  if (one_thread()) {
    ADJOINT_SIMD
    for (int i = 0; i < width; ++i) to[i] = Accumulate<Out>(float(from[i]) * scale + shift);
  } else {
    for_packs<N, 0>(block, width, [&](int, int i) {
      const auto in = load_pack<N>(from + i);
      Pack<Out, N> out;
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k)
        out[k] = static_cast<Out>(Accumulate<Out>(float(in[k]) * scale + shift));
      store_pack<N>(to + i, out);
    });
  }
  if (batch_labels != nullptr && channel == 0 && block.thread == 0)
    batch_labels[row] = labels[sample];
}

template <class Out, class In>
void launch_gather(Stream& stream, const Gather& call, std::int64_t batch, std::int64_t channels,
                   int width) {
  constexpr int N = 16 / sizeof(Out) < 4 ? 4 : 16 / int(sizeof(Out));
  const auto run = [&]<int kPack>() {
    const int packs = width / kPack;
    const int threads = packs >= 128 ? 128 : packs < 32 ? 32 : (packs + 31) / 32 * 32;
    launch<gather_kernel<Out, In, kPack>>(
        stream, {.grid = {batch, channels}, .block = preferred_block(threads)},
        call.batch.data<Out>(),
        call.batch_labels.defined() ? call.batch_labels.data<std::int32_t>() : nullptr,
        call.rows.data<In>(), call.labels.defined() ? call.labels.data<std::int32_t>() : nullptr,
        call.indices.data<std::int32_t>(), call.indices.count(), call.position,
        call.scale.data<float>(), call.shift.data<float>(), width);
  };
  if (width % N == 0 && aligned16(call.batch.data()) && aligned16(call.rows.data()))
    run.template operator()<N>();
  else
    run.template operator()<1>();
}

}  // namespace

void gather(Stream& stream, const Gather& call) {
  const auto columns = [](const Tensor& tensor) {
    return tensor.shape()[0] == 0 ? 0 : tensor.count() / tensor.shape()[0];
  };
  ADJOINT_CHECK(call.batch.defined() && call.batch.shape().rank() >= 1 && call.batch.contiguous() &&
                    call.rows.defined() && call.rows.shape().rank() >= 1 && call.rows.contiguous(),
                "gather: expected contiguous batch and rows of one axis or more");
  const std::int64_t batch = call.batch.shape()[0], width = columns(call.batch);
  if (call.batch.count() == 0) return;
  ADJOINT_CHECK(width == columns(call.rows), "gather: expected rows as wide as the batch's, ",
                width, " elements, got ", columns(call.rows));
  const std::int64_t channels = call.scale.count();
  ADJOINT_CHECK(channels > 0 && width % channels == 0 && width / channels < (1 << 30),
                "gather: expected channels that divide ", width, " columns, got ", channels);
  check_operand("gather", "scale", call.scale, {DType::float32, {channels}});
  check_operand("gather", "shift", call.shift, {DType::float32, {channels}});
  ADJOINT_CHECK(call.position != nullptr, "gather: expected a position in device memory");
  ADJOINT_CHECK(call.indices.defined() && call.indices.count() > 0,
                "gather: expected at least one index");
  check_operand("gather", "indices", call.indices, {DType::int32, {call.indices.count()}});
  if (call.batch_labels.defined()) {
    check_operand("gather", "batch_labels", call.batch_labels, {DType::int32, {batch}});
    check_operand("gather", "labels", call.labels, {DType::int32, {call.rows.shape()[0]}});
  }
  dispatch_floating(call.batch.dtype(), "gather", [&]<class Out>() {
    if (call.rows.dtype() == DType::uint8)
      launch_gather<Out, std::uint8_t>(stream, call, batch, channels, int(width / channels));
    else if (call.rows.dtype() == DType::float32)
      launch_gather<Out, float>(stream, call, batch, channels, int(width / channels));
    else
      ADJOINT_FAIL("gather: rows: expected uint8 or float32 elements, got ",
                   name(call.rows.dtype()));
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
