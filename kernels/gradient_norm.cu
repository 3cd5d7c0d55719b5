// Global gradient norm and the bookkeeping of a step.
//
//   S = sum_i gradient[i]^2                                        gradient [count]
//
// Each block sums one contiguous range, reading it once; the last block to finish adds the partial
// sums, and its first thread does the scalar rest or leaves the sum to a kernel that does. So
// nothing needs the host, and a second launch only where something comes between.
#include "kernels/gradient_norm.h"

#include <algorithm>
#include <cmath>

#include "core/device/kernel.h"
#include "kernels/kernel_body.h"
#include "kernels/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// GradientNorm as the device sees it.
struct StepArguments {
  LossTotals totals;
  Schedule schedule;
  bool undivided, checked;
  double clip_norm, loss_scale, beta1, beta2, momentum_fade, largest_norm;
  LossScaling scaling;
  MovingAverage averaging;
  float* device_scale;
  UpdateState* state;
  StepWorkspace* workspace;
  std::uint64_t* random_step;
  StepRecord* ring;
  std::uint64_t ring_size;
};

ADJOINT_DEVICE void write_record(const StepArguments& call, const UpdateState& state,
                                 const double (&totals)[3], float loss_scale) {
  const std::uint64_t records = call.workspace->records;
  call.workspace->records = records + 1;
  StepRecord& record = call.ring[records % call.ring_size];
  // 0 while the record is being rewritten, so that a reader of the old one notices.
  *const_cast<volatile std::uint64_t*>(&record.sequence) = 0;
  __threadfence_system();
  record.step = state.step;
  record.loss_sum = totals[0];
  record.valid_count = totals[1];
  record.correct_count = totals[2];
  record.learning_rate = state.learning_rate;
  record.gradient_norm = state.gradient_norm;
  record.skipped = state.finite == 0;
  record.loss_scale = loss_scale;
  // The host may see the sequence number only after everything above.
  __threadfence_system();
  *const_cast<volatile std::uint64_t*>(&record.sequence) = records + 1;
}

/// The loss scale of the next step.
ADJOINT_DEVICE float next_scale(const LossScaling& scaling, float scale, bool overflowed,
                                std::uint32_t& good_steps) {
  if (overflowed) {
    good_steps = 0;
    const double less = double(scale) * scaling.backoff;
    return float(less > scaling.smallest ? less : scaling.smallest);
  }
  if (++good_steps < scaling.growth_interval) return scale;
  good_steps = 0;
  const double more = double(scale) * scaling.growth;
  return float(more < scaling.largest ? more : scaling.largest);
}

/// What of the state moves only when an update is made.
ADJOINT_DEVICE void count_update(const StepArguments& call, UpdateState& state) {
  ++state.step;
  double beta1 = call.beta1;
  if (call.momentum_fade > 0) {
    state.momentum_fade = call.momentum_fade * state.momentum_fade + (1 - call.momentum_fade);
    beta1 *= 0.5 + 0.5 * state.momentum_fade;
  }
  state.bias_correction1 = beta1 * state.bias_correction1 + (1 - beta1);
  state.bias_correction2 = call.beta2 * state.bias_correction2 + (1 - call.beta2);
  state.average_kept = average_kept(call.averaging, state.step);
}

ADJOINT_DEVICE double scheduled_rate(const Schedule& schedule, const UpdateState& state) {
  const double rate = learning_rate(schedule, state.step);
  if (!observes_losses(schedule) || state.rate_factor == 0) return rate;
  const double reduced = rate * state.rate_factor;
  const double least = schedule.final < rate ? schedule.final : rate;
  return reduced > least ? reduced : least;
}

/// One thread, once a step. The schedule's functions come first and the state is changed where it
/// lies: what is held meanwhile would cost every thread of the kernel registers.
ADJOINT_DEVICE void finish_step(const StepArguments& call, double sum_of_squares) {
  StepWorkspace& workspace = *call.workspace;
  UpdateState& state = *call.state;
  state.learning_rate = scheduled_rate(call.schedule, state);
  double totals[3];
  ADJOINT_UNROLL
  for (int i = 0; i < 3; ++i) {
    totals[i] = workspace.totals[i] + call.totals[i];
    workspace.totals[i] = 0;
  }
  const float scale = call.device_scale == nullptr ? 1.0f : *call.device_scale;
  const double count = call.undivided && totals[1] > 0 ? 1 : totals[1];
  const double divisor = count * (call.loss_scale * double(scale));
  const double norm = std::sqrt(sum_of_squares) / divisor;
  const double clip = call.clip_norm > 0 && norm > call.clip_norm ? call.clip_norm / norm : 1.0;
  // Every comparison is false for NaN; without a valid sample there is no mean gradient.
  const bool overflowed = count > 0 && !(norm < std::numeric_limits<double>::infinity());
  // A loss may overflow whose gradient does not: what its forward pass left is as little to be
  // kept.
  const bool loss_is_finite = !call.checked || totals[0] - totals[0] == 0;
  const bool finite =
      count > 0 && loss_is_finite && !overflowed && norm * clip <= call.largest_norm;
  state.gradient_norm = norm;
  state.gradient_scale = clip / divisor;
  state.finite = finite;
  if (finite) {
    count_update(call, state);
  } else {
    ++state.skipped;
  }
  state.first_factor = 1 / state.bias_correction1;
  state.second_factor = 1 / std::sqrt(state.bias_correction2);
  // A loss that is not finite was none before it was scaled.
  const bool judged = count > 0 && (!overflowed || loss_is_finite);
  if (call.scaling.dynamic && judged)
    *call.device_scale = next_scale(call.scaling, scale, overflowed, state.good_steps);
  ++*call.random_step;
  write_record(call, state, totals, float(call.loss_scale * double(scale)));
}

/// The sum of this thread's squares of [0, length). A function of its own on the host, because its
/// compiler keeps the sums in registers only where it sees nothing else.
template <class T>
ADJOINT_KERNEL_BODY double sum_squares(const T* __restrict__ gradient, int length) {
  constexpr int kWidth = kSlabChains<T>, kAtOnce = kSlabPiece / kWidth / kSlabThreads;
  const Block block;
  double sums[kWidth] = {};
  const auto add = [&](int i, auto n) {
    const auto values = load_slab<double, n>(gradient + i);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) sums[j] += values[j] * values[j];
  };
  int at = 0;
  if constexpr (kAtOnce > 0) {
    // Without branches between them, so that all of a thread's loads are under way at once.
    for (; block.threads == kSlabThreads && at + kSlabPiece <= length; at += kSlabPiece) {
      ADJOINT_UNROLL
      for (int pack = 0; pack < kAtOnce; ++pack)
        add(at + (pack * kSlabThreads + block.thread) * kWidth, SlabCount<kWidth>{});
    }
  }
  for_slab<kWidth>(block, length - at, [&](int i, auto n) { add(at + i, n); });
  ADJOINT_UNROLL
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int j = 0; j < half; ++j) sums[j] += sums[j + half];
  return sums[0];
}

template <class T>
__global__ void __launch_bounds__(kSlabThreads)
    gradient_norm_kernel(const T* __restrict__ gradient, std::int64_t count, int range,
                         StepWorkspace* workspace, StepArguments call, bool ends_step) {
  Block block;
  const std::int64_t begin = std::int64_t(blockIdx.x) * range;
  const int length = int(count - begin < range ? count - begin : range);
  double sum = block.sum(sum_squares(gradient + begin, length));

  bool last = false;
  if (block.thread == 0) {
    workspace->partial_sums[blockIdx.x] = sum;
    __threadfence();  // the partial sum is visible before its arrival is counted
    last = atomicAdd(&workspace->arrived, 1u) == gridDim.x - 1;
  }
  if (!block.any(last)) return;
  __threadfence();  // and is read after all arrivals were

  sum = 0;
  ADJOINT_BLOCK_FOR(block, i, int(gridDim.x)) sum += __ldcg(workspace->partial_sums + i);
  sum = block.sum(sum);
  if (block.thread == 0) {
    workspace->arrived = 0;  // for the next launch
    if (ends_step) {
      finish_step(call, sum);
    } else {
      workspace->sum_of_squares = sum;
    }
  }
}

__global__ void end_step_kernel(StepArguments call) {
  if (threadIdx.x == 0) finish_step(call, call.workspace->sum_of_squares);
}

StepArguments step_arguments(const GradientNorm& call) {
  ADJOINT_CHECK(!call.ring.empty(), "gradient_norm: expected a ring of at least one record");
  ADJOINT_CHECK(!call.scaling.dynamic || call.device_scale != nullptr,
                "gradient_norm: expected the device's loss scale, for it to be dynamic");
  return {.totals = loss_totals("gradient_norm", call.totals),
          .schedule = call.schedule,
          .undivided = is_undivided(call.totals.shape()),
          .checked = call.gradient.count() > 0,
          .clip_norm = call.clip_norm,
          .loss_scale = call.loss_scale,
          .beta1 = call.beta1,
          .beta2 = call.beta2,
          .momentum_fade = call.momentum_fade,
          .largest_norm = call.largest_norm,
          .scaling = call.scaling,
          .averaging = call.averaging,
          .device_scale = call.device_scale,
          .state = call.state,
          .workspace = call.workspace,
          .random_step = call.random_step,
          .ring = call.ring.data(),
          .ring_size = call.ring.size()};
}

/// Sums the squares, and ends the step where there is something to end it with.
void sum_squares(Stream& stream, const Tensor& gradient, StepWorkspace* workspace,
                 const StepArguments* step) {
  const std::int64_t count = gradient.count();
  const std::int64_t pieces = std::max<std::int64_t>(1, (count + kSlabPiece - 1) / kSlabPiece);
  const std::int64_t pieces_per_block = (pieces + kGradientNormBlocks - 1) / kGradientNormBlocks;
  const auto run = [&]<class T>(const T* values) {
    launch<gradient_norm_kernel<T>>(stream,
                                    {.grid = (pieces + pieces_per_block - 1) / pieces_per_block,
                                     .block = preferred_block(kSlabThreads)},
                                    values, count, int(pieces_per_block * kSlabPiece), workspace,
                                    step == nullptr ? StepArguments{} : *step, step != nullptr);
  };
  switch (gradient.dtype()) {
    case DType::float32:
      return run(gradient.data<float>());
    case DType::float64:
      return run(gradient.data<double>());
    case DType::bfloat16:
      return run(gradient.data<bfloat16>());
    case DType::float16:
      return run(gradient.data<float16>());
    default:
      ADJOINT_FAIL("gradient_norm: expected a floating gradient, got ", name(gradient.dtype()));
  }
}

}  // namespace

void gradient_norm(Stream& stream, const GradientNorm& call) {
  check_slab("gradient_norm", "gradient", call.gradient);
  const StepArguments step = step_arguments(call);
  sum_squares(stream, call.gradient, call.workspace, &step);
}

void sum_squares(Stream& stream, const Tensor& gradient, StepWorkspace* workspace) {
  check_slab("sum_squares", "gradient", gradient);
  sum_squares(stream, gradient, workspace, nullptr);
}

void end_step(Stream& stream, const GradientNorm& call) {
  launch<end_step_kernel>(stream, {.grid = 1, .block = 1}, step_arguments(call));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
