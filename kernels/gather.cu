// batch[b, c, j] = rows[indices[(*position + b) % n], c, j] scale_c + shift_c, for rows [samples,
// channels, width] of bytes or float32. A run is one channel of one row, with a constant scale and
// shift; or a whole row where each column is a channel, with as many of them. A team of a block's
// threads takes a run, as many as it has packs: a block takes many short runs or one long one. The
// team of a row's channel 0 fetches the label too.
//
// Of integers batch[b, j] = rows[indices[(*position + b) % n], j], a thread an element.
#include "kernels/gather.h"

#include "kernels/divisor.h"
#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kThreads = 128;

/// Blocks that registers are to suffice for: as many as fill a multiprocessor, but where scales are
/// held beside elements, or elements are wide.
template <class Out, bool kEachColumn>
constexpr int kBlocksAtOnce = kEachColumn || sizeof(Out) == 8 ? 8 : 16;

template <class Out, class In>
struct Operands {
  Out* batch;                   // [rows, channels, width]
  std::int32_t* batch_labels;   // [rows], or null
  const In* rows;               // [samples, channels, width]
  const std::int32_t* labels;   // [samples]
  const std::int32_t* indices;  // [count]
  std::int64_t count;
  const std::uint64_t* position;
  const float* scale;  // [channels], or with kEachColumn [width]
  const float* shift;
  Divisor channels;
  std::uint32_t runs;  // rows x channels
  int width;           // of a run
  int team;            // threads that take it
};

template <class Out, class In, int N, bool kEachColumn>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce<Out, kEachColumn>)
    gather_kernel(Operands<Out, In> in) {
  Block block;
  const Team team(block, in.team);
  const std::uint32_t of_block = std::uint32_t(kThreads / in.team);
  const std::uint32_t begin = blockIdx.x * of_block;
  const std::uint32_t end = in.runs - begin < of_block ? in.runs : begin + of_block;
  const auto scaled = [](int, float x, float scale, float shift) { return x * scale + shift; };
  for (std::uint32_t run = begin + std::uint32_t(team.index); run < end;
       run += std::uint32_t(team.count)) {
    const std::uint32_t row = in.channels.quotient(run);
    const std::uint32_t channel = run - row * in.channels.value();
    const std::int64_t sample = in.indices[(*in.position + row) % std::uint64_t(in.count)];
    const std::int64_t from = sample * in.channels.value() + channel;
    Out* const to = in.batch + std::int64_t(run) * in.width;
    Row<In, N, 0> x;
    x.load(team, in.rows + from * in.width, in.width);
    if constexpr (kEachColumn)
      row_map(team, in.width, to, scaled, x, InMemory{in.scale}, InMemory{in.shift});
    else
      row_map(team, in.width, to, scaled, x, Uniform{in.scale[channel]},
              Uniform{in.shift[channel]});
    if (in.batch_labels != nullptr && channel == 0 && team.thread == 0)
      in.batch_labels[row] = in.labels[sample];
  }
}

template <class Out, class In>
void launch_gather(Stream& stream, const Gather& call, std::int64_t batch, std::int64_t columns) {
  constexpr int N = 16 / sizeof(Out) < 4 ? 4 : 16 / int(sizeof(Out));
  const std::int64_t scales = call.scale.count();
  const bool each_column = scales == columns && columns > 1;
  const std::int64_t channels = each_column ? 1 : scales, width = columns / channels;
  const auto run = [&]<int kPack, bool kEachColumn>() {
    const int team = team_threads((width + kPack - 1) / kPack, kThreads);
    const std::int64_t runs = batch * channels, of_block = kThreads / team;
    launch<gather_kernel<Out, In, kPack, kEachColumn>, kRowBlocks<kPack, 0>>(
        stream, {.grid = (runs + of_block - 1) / of_block, .block = preferred_block(kThreads)},
        Operands<Out, In>{
            .batch = call.batch.data<Out>(),
            .batch_labels =
                call.batch_labels.defined() ? call.batch_labels.data<std::int32_t>() : nullptr,
            .rows = call.rows.data<In>(),
            .labels = call.labels.defined() ? call.labels.data<std::int32_t>() : nullptr,
            .indices = call.indices.data<std::int32_t>(),
            .count = call.indices.count(),
            .position = call.position,
            .scale = call.scale.data<float>(),
            .shift = call.shift.data<float>(),
            .channels = Divisor(std::uint32_t(channels)),
            .runs = std::uint32_t(runs),
            .width = int(width),
            .team = team});
  };
  const auto in_packs = [&](std::initializer_list<const void*> operands) {
    if (!gpu_blocks() || width % N != 0) return false;
    for (const void* operand : operands)
      if (!aligned16(operand)) return false;
    return true;
  };
  const void *to = call.batch.data(), *from = call.rows.data();
  if (each_column) {
    if (in_packs({to, from, call.scale.data(), call.shift.data()}))
      return run.template operator()<N, true>();
    return run.template operator()<1, true>();
  }
  if (in_packs({to, from})) return run.template operator()<N, false>();
  run.template operator()<1, false>();
}

constexpr std::uint32_t kIntegersPerBlock = 4 * kThreads;

__global__ void __launch_bounds__(kThreads)
    gather_integers_kernel(std::int32_t* batch, const std::int32_t* rows,
                           const std::int32_t* indices, std::int64_t count,
                           const std::uint64_t* position, Divisor width, std::uint32_t elements) {
  const std::uint32_t begin = blockIdx.x * kIntegersPerBlock;
  const std::uint32_t left = elements - begin;
  const std::uint32_t end = begin + (left < kIntegersPerBlock ? left : kIntegersPerBlock);
  for (std::uint32_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    const std::uint32_t row = width.quotient(i), column = i - row * width.value();
    const std::int64_t sample = indices[(*position + row) % std::uint64_t(count)];
    batch[i] = rows[sample * width.value() + column];
  }
}

void launch_gather_integers(Stream& stream, const Gather& call, std::int64_t columns) {
  const std::int64_t elements = call.batch.count();
  ADJOINT_CHECK(elements < std::numeric_limits<std::int32_t>::max(),
                "gather: expected fewer than 2^31 integers, got ", elements);
  launch<gather_integers_kernel>(stream,
                                 {.grid = (elements + kIntegersPerBlock - 1) / kIntegersPerBlock,
                                  .block = preferred_block(kThreads)},
                                 call.batch.data<std::int32_t>(), call.rows.data<std::int32_t>(),
                                 call.indices.data<std::int32_t>(), call.indices.count(),
                                 call.position, Divisor(std::uint32_t(columns)),
                                 std::uint32_t(elements));
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
  ADJOINT_CHECK(call.position != nullptr, "gather: expected a position in device memory");
  ADJOINT_CHECK(call.indices.defined() && call.indices.count() > 0,
                "gather: expected at least one index");
  check_operand("gather", "indices", call.indices, {DType::int32, {call.indices.count()}});
  if (call.rows.dtype() == DType::int32) {
    check_operand("gather", "batch", call.batch, {DType::int32, call.batch.shape()});
    return launch_gather_integers(stream, call, width);
  }
  const std::int64_t channels = call.scale.count();
  ADJOINT_CHECK(channels > 0 && width % channels == 0 && width < (1 << 30),
                "gather: expected channels that divide ", width, " columns, fewer than 2^30, got ",
                channels);
  ADJOINT_CHECK(batch * channels < std::numeric_limits<std::int32_t>::max(),
                "gather: expected fewer than 2^31 channels of all rows, got ", channels, " of ",
                batch, " rows");
  check_operand("gather", "scale", call.scale, {DType::float32, {channels}});
  check_operand("gather", "shift", call.shift, {DType::float32, {channels}});
  if (call.batch_labels.defined()) {
    check_operand("gather", "batch_labels", call.batch_labels, {DType::int32, {batch}});
    check_operand("gather", "labels", call.labels, {DType::int32, {call.rows.shape()[0]}});
  }
  dispatch_floating(call.batch.dtype(), "gather", [&]<class Out>() {
    if (call.rows.dtype() == DType::uint8)
      launch_gather<Out, std::uint8_t>(stream, call, batch, width);
    else if (call.rows.dtype() == DType::float32)
      launch_gather<Out, float>(stream, call, batch, width);
    else
      ADJOINT_FAIL("gather: rows: expected uint8, float32 or int32 elements, got ",
                   name(call.rows.dtype()));
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
