// For each row x of the logits [rows, classes] with label t and smoothing e:
//
//   z = sum_j exp(x_j - max x)            log p_j = x_j - max x - log z
//   loss = -(1 - e) log p_t - e / classes sum_j log p_j
//   gradient_j = exp(x_j - max x) / z - (1 - e) [j = t] - e / classes
//
// (Szegedy et al. 2016, section 7; as PyTorch defines label_smoothing). Loss and gradient are
// multiplied by a constant weight and by that of the label's class, the gradient by what LossOutput
// says, and neither is divided by anything. Rows with the ignored label have neither. Classes may
// be followed by padding, whose gradient is 0.
//
// A block takes a range of rows, one after the other, each held in registers: read once, its
// gradient written in the same pass. Rows longer than those hold are read twice. One launch does
// all (kernels/loss.cuh).
#include "kernels/softmax_cross_entropy.h"

#include "kernels/loss_row.cuh"
#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct Operands {
  const T* logits;                     // [rows, columns]
  const std::int32_t* labels;          // [rows]
  T* gradient;                         // [rows, columns], or null
  const Accumulate<T>* class_weights;  // [classes], or null
  std::int32_t* status;                // [2]
  LossRows rows;
  LossOperands<T> out;
  int classes, columns;
  Accumulate<T> kept, smoothing, weight;  // kept: 1 - smoothing, rounded after the difference
  std::int32_t ignored_label;
  bool accumulate_gradient;
};

/// Loss of one row and whether its prediction is right; writes the gradient. `weight` is the row's.
template <class T, int N, int P, bool kRagged>
ADJOINT_DEVICE Values<Accumulate<T>, 2> valid_row(Block& block, const Operands<T>& in,
                                                  std::int64_t row, int label,
                                                  Accumulate<T> weight) {
  using A = Accumulate<T>;
  const T* const logits = in.logits + row * in.columns;
  const A label_logit = A(logits[label]);  // now: the gradient may be written over it
  Row<T, N, P, kRagged> x;
  x.load(block, logits, in.classes);
  const A smoothing = in.smoothing;
  // z, how many classes come before the label and are at least as likely, and what smoothing needs.
  const auto terms = [&](int i, A m, A x) {
    return Values<A, 3>{exp(x - m), i < label && x >= label_logit ? A(1) : A(0),
                        smoothing > A(0) ? x - m : A(0)};
  };
  const auto rescale = [&](Values<A, 3>& sums, A d, A count) {
    sums[0] *= exp(d);
    if (smoothing > A(0)) sums[2] += count * d;
  };
  const auto [largest, count, sums, first] =
      softmax_sums<A, 3, false>(block, in.classes, terms, rescale, x);
  const A log_z = log(sums[0]);
  // The difference first: added to a large logit, the log z of a confident row would round away.
  A loss = in.kept == A(0) ? A(0) : in.kept * (largest - label_logit + log_z);
  if (smoothing > A(0)) loss += smoothing * (log_z - sums[2] / A(in.classes));
  if (in.gradient != nullptr) {
    const A seed = in.out.factor(weight * in.out.factor(), row);
    const A scale = seed / sums[0], uniform = seed * smoothing / A(in.classes);
    const A target = seed * in.kept;
    const auto gradient = [&, largest = largest](int i, A x) {
      return exp(x - largest) * scale - uniform - (i == label ? target : A(0));
    };
    T* const to = in.gradient + row * in.columns;
    if (in.accumulate_gradient) {
      const auto added = [&](int i, A x, A old) { return old + gradient(i, x); };
      row_map(block, in.classes, to, added, x, InMemory{static_cast<const T*>(to)});
    } else {
      row_map(block, in.classes, to, gradient, x);
    }
  }
  const bool correct = label_logit == largest && sums[1] == A(0);
  // A class of weight 0 has no loss, though its logit may be -infinity.
  return {weight == A(0) ? A(0) : loss * weight, correct ? A(1) : A(0)};
}

template <class T>
ADJOINT_DEVICE void skipped_row(const Block& block, const Operands<T>& in, std::int64_t row) {
  if (in.gradient != nullptr && !in.accumulate_gradient)
    ADJOINT_BLOCK_FOR(block, i, in.classes) in.gradient[row * in.columns + i] = T(0.0f);
}

/// Blocks that registers are to suffice for: half of what a multiprocessor holds. 16-bit rows of
/// eight packs a thread would spill, because the compiler keeps their float32 values.
template <class T, int P>
inline constexpr int kBlocksAtOnce = sizeof(T) == 2 && P == 8 ? 1 : 1024 / kRowThreads<P>;

template <class T, int N, int P, bool kRagged>
__global__ void __launch_bounds__(kRowThreads<P>, kBlocksAtOnce<T, P>)
    softmax_cross_entropy_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  // Of thread 0 alone, so that the others need no registers for it.
  ADJOINT_SHARED(LossPartial, mine, [1]);
  if (block.thread == 0) mine[0] = LossPartial::none();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const std::int32_t label = in.labels[row];
    const bool ignored = label == in.ignored_label;
    const bool valid = label >= 0 && label < in.classes && !ignored;
    Values<A, 2> result{};
    A share = 0;
    if (valid) {
      share = in.class_weights == nullptr ? A(1) : in.class_weights[label];
      result = valid_row<T, N, P, kRagged>(block, in, row, label, in.weight * share);
    } else {
      skipped_row(block, in, row);
    }
    if (block.thread != 0) continue;
    if (in.out.losses != nullptr) in.out.losses[row] = T(result[0]);
    mine[0].loss += double(result[0]);
    mine[0].count += double(share);
    mine[0].correct += result[1] != A(0);
    if (!valid && !ignored && mine[0].bad_row == kNoRow) mine[0].bad_row = std::int32_t(row);
  }
  finish_loss(block, in.out, mine[0],
              [&](const LossPartial& total) { note_bad_row(total, in.status, in.labels); });
}

}  // namespace

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& call) {
  constexpr const char* kName = "softmax_cross_entropy";
  const Tensor& logits = call.logits;
  ADJOINT_CHECK(logits.defined() && logits.contiguous(), kName, ": expected contiguous logits");
  const Tensor matrix = logits.as_matrix();
  const std::int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  const std::int64_t classes = classes_of(kName, call.classes, columns);
  check_operand(kName, "labels", call.labels, {DType::int32, {rows}});
  if (call.gradient.defined()) check_operand(kName, "gradient", call.gradient, logits.type());
  if (call.class_weights.defined())
    check_operand(kName, "class_weights", call.class_weights,
                  {accumulation_type(logits.dtype()), {classes}});
  check_operand(kName, "status", call.status, {DType::int32, {2}});
  ADJOINT_CHECK(call.label_smoothing >= 0 && call.label_smoothing <= 1, kName,
                ": expected label_smoothing in [0, 1], got ", call.label_smoothing);
  ADJOINT_CHECK(call.label_smoothing == 0 || !call.class_weights.defined(), kName,
                ": with class weights, soft_cross_entropy smooths labels");
  const bool aligned = rows_aligned(classes, {logits, call.gradient}) &&
                       rows_aligned(columns, {logits, call.gradient});
  const bool alike = rows_alike({logits, call.gradient});
  dispatch_floating(logits.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    const Operands<T> operands{
        .logits = logits.data<T>(),
        .labels = call.labels.data<std::int32_t>(),
        .gradient = call.gradient.defined() ? call.gradient.data<T>() : nullptr,
        .class_weights = call.class_weights.defined() ? call.class_weights.data<A>() : nullptr,
        .status = call.status.data<std::int32_t>(),
        .rows = loss_rows(kName, rows),
        .out = loss_operands<T>(kName, call.out, rows, {rows}),
        .classes = int(classes),
        .columns = int(columns),
        .kept = A(1 - call.label_smoothing),
        .smoothing = A(call.label_smoothing),
        .weight = A(call.weight),
        .ignored_label = call.ignored_label,
        .accumulate_gradient = call.accumulate_gradient};
    dispatch_ragged_row<T, 8>(classes, aligned, alike, [&]<int N, int P, bool R>(int threads) {
      launch<softmax_cross_entropy_kernel<T, N, P, R>, kRowBlocks<N, P>>(
          stream,
          {.grid = loss_blocks(rows), .block = preferred_block(threads < 32 ? 32 : threads)},
          operands);
    });
    if (operands.gradient != nullptr && !operands.accumulate_gradient)
      zero_padding(stream, operands.gradient, rows, classes, columns);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
