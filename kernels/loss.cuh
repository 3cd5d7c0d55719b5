// The end of every loss kernel: blocks leave partial sums, and the block that finishes last adds
// them in the order of the blocks, so that one launch does all and the order of additions is fixed.
#pragma once

#include "core/device/kernel.h"
#include "kernels/dispatch.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

inline constexpr std::int32_t kNoRow = std::numeric_limits<std::int32_t>::max();

/// What a block leaves for the last one.
struct LossPartial {
  double loss, count;
  std::int32_t correct;
  std::int32_t bad_row;  ///< lowest row with a label that is none

  static ADJOINT_DEVICE LossPartial none() { return {0, 0, 0, kNoRow}; }
};

static_assert(sizeof(LossPartial) == 3 * 8);  // loss_scratch() counts on it

struct AddLossPartials {
  static constexpr bool kSymmetric = true;
  ADJOINT_DEVICE LossPartial operator()(const LossPartial& a, const LossPartial& b) const {
    return {a.loss + b.loss, a.count + b.count, a.correct + b.correct,
            a.bad_row < b.bad_row ? a.bad_row : b.bad_row};
  }
};

/// LossOutput as kernels see it.
template <class T>
struct LossOperands {
  Accumulate<T>* totals;    // [3] or [4], or null
  T* losses;                // or null
  std::int32_t* counter;    // [1]
  LossPartial* partials;    // [blocks]
  const float* scale;       // or null
  const Accumulate<T>* dy;  // like totals, or null
  const T* dy_each;         // like losses, or null
  bool accumulate_totals, undivided;

  /// What all gradients are multiplied by.
  ADJOINT_DEVICE Accumulate<T> factor() const {
    Accumulate<T> product = 1;
    if (scale != nullptr) product = Accumulate<T>(*scale);
    if (dy != nullptr) product *= dy[0];
    return product;
  }
  /// The same with a sample's own; `shared` is factor().
  ADJOINT_DEVICE Accumulate<T> factor(Accumulate<T> shared, std::int64_t sample) const {
    return dy_each != nullptr ? shared * Accumulate<T>(dy_each[sample]) : shared;
  }
};

/// Ends a kernel whose blocks each have a partial sum, known to their thread 0: the last block to
/// finish writes the totals, and its thread 0 calls then(sum of all partials). All threads take
/// part; does nothing without totals.
template <class T, class Then>
ADJOINT_DEVICE void finish_loss(Block& block, const LossOperands<T>& out, const LossPartial& mine,
                                const Then& then) {
  using A = Accumulate<T>;
  if (out.totals == nullptr) return;
  bool last = false;
  if (block.thread == 0) {
    out.partials[blockIdx.x] = mine;
    __threadfence();  // the partial is seen before the count
    last = atomicAdd(out.counter, 1) == int(gridDim.x) - 1;
  }
  if (!block.any(last)) return;
  __threadfence();  // and the other blocks' partials after it
  LossPartial total = LossPartial::none();
  // Not unrolled: registers that only this needs would be taken from all of the kernel's blocks.
#pragma unroll 1
  for (int i = block.thread; i < int(gridDim.x); i += block.threads)
    total = AddLossPartials{}(total, out.partials[i]);
  total = block.reduce(total, LossPartial::none(), AddLossPartials{});
  if (block.thread != 0) return;
  const A sums[3] = {A(total.loss), A(total.count), A(total.correct)};
  for (int i = 0; i < 3; ++i)
    out.totals[i] = out.accumulate_totals ? out.totals[i] + sums[i] : sums[i];
  if (out.undivided) out.totals[3] = A(1);
  then(total);
  *out.counter = 0;  // for the next call, or the next replay of this one
}

template <class T>
ADJOINT_DEVICE void finish_loss(Block& block, const LossOperands<T>& out, const LossPartial& mine) {
  finish_loss(block, out, mine, [](const LossPartial&) {});
}

/// Checks a LossOutput for that many pieces, whose losses would have shape `samples`.
template <class T>
LossOperands<T> loss_operands(std::string_view kernel, const LossOutput& out, std::int64_t pieces,
                              const Shape& samples) {
  using A = Accumulate<T>;
  const TensorType totals{kDTypeOf<A>, totals_shape(out.undivided)}, each{kDTypeOf<T>, samples};
  LossOperands<T> operands{
      .scale = out.scale, .accumulate_totals = out.accumulate_totals, .undivided = out.undivided};
  if (out.totals.defined()) {
    check_operand(kernel, "totals", out.totals, totals);
    check_operand(kernel, "counter", out.counter, {DType::int32, {1}});
    const TensorType scratch = loss_scratch(pieces);
    ADJOINT_CHECK(out.scratch.defined() && out.scratch.dtype() == scratch.dtype &&
                      out.scratch.contiguous() && out.scratch.count() >= scratch.shape.count(),
                  kernel, ": scratch: expected at least ", scratch, ", got ", out.scratch.type());
    operands.totals = out.totals.data<A>();
    operands.counter = out.counter.data<std::int32_t>();
    operands.partials = reinterpret_cast<LossPartial*>(out.scratch.data());
  }
  if (out.losses.defined()) {
    check_operand(kernel, "losses", out.losses, each);
    operands.losses = out.losses.data<T>();
  }
  if (out.totals_dy.defined()) {
    check_operand(kernel, "totals_dy", out.totals_dy, totals);
    operands.dy = out.totals_dy.data<A>();
  }
  if (out.losses_dy.defined()) {
    check_operand(kernel, "losses_dy", out.losses_dy, each);
    operands.dy_each = out.losses_dy.data<T>();
  }
  return operands;
}

/// Rows that a block takes one after the other, for losses with a row, or a few, for each sample.
struct LossRows {
  std::int64_t rows;
  int of_block;

  ADJOINT_DEVICE std::int64_t begin() const { return std::int64_t(blockIdx.x) * of_block; }
  ADJOINT_DEVICE std::int64_t end() const {
    return begin() + of_block < rows ? begin() + of_block : rows;
  }
};

inline LossRows loss_rows(std::string_view kernel, std::int64_t rows) {
  ADJOINT_CHECK(rows < kNoRow, kernel, ": expected fewer than 2^31 rows, got ", rows);
  return {rows, int(loss_pieces_per_block(rows))};
}

/// Notes the lowest row of the first call that met a bad label: status is {1 + row, label}.
ADJOINT_DEVICE void note_bad_row(const LossPartial& total, std::int32_t* status,
                                 const std::int32_t* labels) {
  if (total.bad_row == kNoRow || status[0] != 0) return;
  status[0] = 1 + total.bad_row;
  status[1] = labels[total.bad_row];
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
