// finite:  average[i] = k average[i] + (1 - k) averaged[i]       averaged [count]
//          before[i] = live[i]                                   live [words]
// skipped: live[i] = before[i]
// The device decides, so that a captured step may be skipped. A block takes one piece of either.
#include "kernels/settle_running_state.h"

#include <algorithm>

#include "core/device/kernel.h"
#include "kernels/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Word = std::uint64_t;

ADJOINT_DEVICE int piece_length(std::int64_t count, std::int64_t begin) {
  const std::int64_t left = count - begin;
  return int(left < 0 ? 0 : left < kSlabPiece ? left : kSlabPiece);
}

template <class T>
__global__ void __launch_bounds__(kSlabThreads)
    settle_running_state_kernel(Word* __restrict__ live, Word* __restrict__ before,
                                std::int64_t words, const T* __restrict__ averaged,
                                T* __restrict__ average, std::int64_t count,
                                const UpdateState* __restrict__ state) {
  const Block block;
  const std::int64_t begin = std::int64_t(blockIdx.x) * kSlabPiece;
  const bool skipped = state->finite == 0;
  // An update that was made is what one without a training pass of its own goes back to.
  const Word* const from = skipped ? before : live;
  Word* const to = skipped ? live : before;
  for_slab<kSlabWidth<Word>>(block, piece_length(words, begin), [&](int i, auto n) {
    store_slab(to + begin + i, load_slab<Word, n>(from + begin + i));
  });
  if (skipped) return;
  const T kept = T(state->average_kept);
  for_slab<kSlabWidth<T>>(block, piece_length(count, begin), [&](int i, auto n) {
    const auto now = load_slab<T, n>(averaged + begin + i);
    auto mean = load_slab<T, n>(average + begin + i);
    ADJOINT_SIMD
    for (int j = 0; j < n; ++j) mean[j] = averaged_with(mean[j], now[j], kept);
    store_slab(average + begin + i, mean);
  });
}

}  // namespace

void settle_running_state(Stream& stream, const SettleRunningState& call) {
  constexpr const char* kName = "settle_running_state";
  check_slab(kName, "live", call.live);
  check_slab(kName, "before", call.before, call.live.type());
  ADJOINT_CHECK(call.live.dtype() == DType::uint8 && call.live.bytes() % sizeof(Word) == 0, kName,
                ": live: expected bytes in words of ", sizeof(Word), ", got ", call.live.type());
  if (call.average.defined()) check_slab(kName, "average", call.average, call.averaged.type());
  const auto words = std::int64_t(call.live.bytes() / sizeof(Word));
  const std::int64_t count = call.average.defined() ? call.average.count() : 0;
  const auto run = [&]<class T>() {
    launch<settle_running_state_kernel<T>>(
        stream,
        {.grid = (std::max(words, count) + kSlabPiece - 1) / kSlabPiece,
         .block = preferred_block(kSlabThreads)},
        static_cast<Word*>(call.live.data()), static_cast<Word*>(call.before.data()), words,
        static_cast<const T*>(call.averaged.data()), static_cast<T*>(call.average.data()), count,
        call.state);
  };
  const DType type = count > 0 ? call.average.dtype() : DType::float32;
  if (type == DType::float32) return run.template operator()<float>();
  if (type == DType::float64) return run.template operator()<double>();
  ADJOINT_FAIL(kName, ": expected an average in float32 or float64, got ", name(type));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
