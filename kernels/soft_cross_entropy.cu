// For each row x of the logits [rows, classes] with targets t (1 for the label's class and 0 for
// the others, where there are labels), class weights c and smoothing e:
//
//   q_j = c_j ((1 - e) t_j + e / classes)       Q = sum_j q_j
//   z = sum_j exp(x_j - max x)                  log p_j = x_j - max x - log z
//   loss = -sum_j q_j log p_j = Q log z - sum_j q_j (x_j - max x)
//   dx_j = Q p_j - q_j                          dt_j = -c_j (1 - e) log p_j
//
// (as PyTorch defines cross_entropy with probabilities, weight and label_smoothing). Loss and
// gradients are multiplied by a constant weight, the gradients by what LossOutput says.
//
// A block takes a range of rows, one after the other, the logits held in registers, or read twice
// where those do not hold them; the targets read where they are used (kernels/loss.cuh).
#include "kernels/soft_cross_entropy.h"

#include "kernels/loss_row.cuh"
#include "kernels/math.h"
#include "kernels/row_algorithms.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct Operands {
  const T* logits;                     // [rows, columns]
  const T* targets;                    // [rows, classes], or null
  const std::int32_t* labels;          // [rows], or null
  GradientRows<T> gradient;            // [rows, columns]
  GradientRows<T> dtargets;            // [rows, classes]
  const Accumulate<T>* class_weights;  // [classes], or null
  std::int32_t* status;                // [2]
  LossRows rows;
  LossOperands<T> out;
  int classes, columns;                 // alike where there are targets
  Accumulate<T> kept, uniform, weight;  // 1 - e, e / classes
  std::int32_t ignored_label;
};

/// The q of a row, from an element of targets and one of class weights (0 where there are none).
template <class A>
struct Target {
  A kept, uniform, unweighted;  // 1 - e, e / classes, 1 without class weights
  int label;                    // -1 without

  ADJOINT_DEVICE A weight(A c) const { return c + unweighted; }
  ADJOINT_DEVICE A operator()(int j, A t, A c) const {
    return weight(c) * (kept * (t + (j == label ? A(1) : A(0))) + uniform);
  }
};

/// The first class whose logit is the largest.
template <class Sums, class T, int N, int P, bool R>
ADJOINT_DEVICE int first_largest(Block& block, int classes, const Sums& found,
                                 const Row<T, N, P, R>& x) {
  if (reads_memory<N, P>()) return found.first;
  return row_find(block, classes, found.largest, x);
}

/// Whether the prediction of a row is right.
template <class Sums, class T, int N, int P, bool R>
ADJOINT_DEVICE bool right(Block& block, const Operands<T>& in, std::int64_t row, int label,
                          const Sums& found, const Row<T, N, P, R>& x) {
  using A = Accumulate<T>;
  const int predicted = first_largest(block, in.classes, found, x);
  if (in.targets == nullptr || predicted >= in.classes) return predicted == label;
  const T* const targets = in.targets + row * in.classes;
  // How many classes are more likely than the one predicted.
  const A chosen = A(targets[predicted]);
  const auto above = [&](int, A, A t) { return t > chosen ? A(1) : A(0); };
  return row_sum<A>(block, in.classes, above, x, InMemory{targets}) == A(0);
}

/// Loss of one row and whether its prediction is right; writes the gradients.
template <class T, int N, int P, bool kRagged>
ADJOINT_DEVICE Values<Accumulate<T>, 2> valid_row(Block& block, const Operands<T>& in,
                                                  std::int64_t row, int label) {
  using A = Accumulate<T>;
  const std::int64_t base = row * in.columns;
  const Optional targets{in.targets == nullptr ? in.targets : in.targets + base};
  const std::conditional_t<kRagged, Loose<A>, Optional<A>> weights{in.class_weights};
  const Target<A> target{in.kept, in.uniform, in.class_weights == nullptr ? A(1) : A(0), label};
  Row<T, N, P, kRagged> x;
  x.load(block, in.logits + base, in.classes);
  const auto terms = [target](int j, A m, A x, A t, A c) {
    const A q = target(j, t, c);
    return Values<A, 3>{exp(x - m), q, q == A(0) ? A(0) : q * (x - m)};
  };
  const auto rescale = [](Values<A, 3>& sums, A d, A) {
    sums[0] *= exp(d);
    if (sums[1] != A(0)) sums[2] += sums[1] * d;
  };
  const SoftmaxSums<A, 3> found =
      softmax_sums<A, 3, true>(block, in.classes, terms, rescale, x, targets, weights);
  const A largest = found.largest, z = found.sums[0], q = found.sums[1];
  const A log_z = log(z), loss = in.weight * (q * log_z - found.sums[2]);
  const bool correct = in.out.totals != nullptr && right(block, in, row, label, found, x);
  const A seed = in.out.factor(in.weight * in.out.factor(), row);
  const A scale = seed * q / z, kept = seed * target.kept;
  const auto gradient = [&](int j, A x, A t, A c) {
    return exp(x - largest) * scale - seed * target(j, t, c);
  };
  write_gradient(block, in.classes, in.gradient, base, gradient, x, targets, weights);
  const auto of_target = [&](int, A x, A, A c) {
    const A factor = kept * target.weight(c);
    return factor == A(0) ? A(0) : factor * (log_z - (x - largest));
  };
  write_gradient(block, in.classes, in.dtargets, base, of_target, x, targets, weights);
  return {loss, correct ? A(1) : A(0)};
}

/// Blocks of short rows that registers are to suffice for, as many as they can without spilling.
template <class T, int P>
inline constexpr int kBlocksAtOnce = P != 1                        ? 1
                                     : std::is_same_v<T, bfloat16> ? 6
                                                                   : 8;

template <class T, int N, int P, bool kRagged>
__global__ void __launch_bounds__(kRowThreads<P>, kBlocksAtOnce<T, P>)
    soft_cross_entropy_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  ADJOINT_SHARED(LossPartial, mine, [1]);  // of thread 0
  if (block.thread == 0) mine[0] = LossPartial::none();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const std::int32_t label = in.labels == nullptr ? -1 : in.labels[row];
    const bool ignored = in.labels != nullptr && label == in.ignored_label;
    const bool valid = in.labels == nullptr || (label >= 0 && label < in.classes && !ignored);
    Values<A, 2> result{};
    A share = 0;
    if (valid) {
      result = valid_row<T, N, P, kRagged>(block, in, row, label);
      share = label < 0 || in.class_weights == nullptr ? A(1) : in.class_weights[label];
    } else if (in.gradient.data != nullptr && !in.gradient.add) {
      ADJOINT_BLOCK_FOR(block, j, in.classes) in.gradient.data[row * in.columns + j] = T(0.0f);
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

void check(const char* kernel, const SoftCrossEntropy& call, std::int64_t rows,
           std::int64_t classes) {
  const TensorType& type = call.logits.type();
  ADJOINT_CHECK(call.targets.defined() != call.labels.defined(), kernel,
                ": expected either targets or labels");
  if (call.targets.defined()) {
    ADJOINT_CHECK(classes == call.logits.shape()[1], kernel,
                  ": expected columns beyond the classes only with labels");
    check_operand(kernel, "targets", call.targets, type);
  } else {
    check_operand(kernel, "labels", call.labels, {DType::int32, {rows}});
    check_operand(kernel, "status", call.status, {DType::int32, {2}});
    ADJOINT_CHECK(!call.dtargets.wanted(), kernel, ": labels have no gradient");
  }
  if (call.class_weights.defined())
    check_operand(kernel, "class_weights", call.class_weights,
                  {accumulation_type(type.dtype), {classes}});
  ADJOINT_CHECK(call.label_smoothing >= 0 && call.label_smoothing <= 1, kernel,
                ": expected label_smoothing in [0, 1], got ", call.label_smoothing);
}

}  // namespace

void soft_cross_entropy(Stream& stream, const SoftCrossEntropy& call) {
  constexpr const char* kName = "soft_cross_entropy";
  ADJOINT_CHECK(
      call.logits.defined() && call.logits.contiguous() && call.logits.shape().rank() == 2, kName,
      ": expected contiguous logits [rows, classes]");
  const std::int64_t rows = call.logits.shape()[0], columns = call.logits.shape()[1];
  const std::int64_t classes = classes_of(kName, call.classes, columns);
  check(kName, call, rows, classes);
  const bool aligned = rows_aligned(classes, {call.logits, call.targets, call.gradient.tensor,
                                              call.dtargets.tensor, call.class_weights}) &&
                       rows_aligned(columns, {call.logits, call.gradient.tensor});
  const bool alike =
      rows_alike({call.logits, call.targets, call.gradient.tensor, call.dtargets.tensor});
  dispatch_floating(call.logits.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    const auto data = [](const Tensor& tensor) {
      return tensor.defined() ? tensor.data<T>() : nullptr;
    };
    const Operands<T> operands{
        .logits = data(call.logits),
        .targets = data(call.targets),
        .labels = call.labels.defined() ? call.labels.data<std::int32_t>() : nullptr,
        .gradient = gradient_rows<T>(kName, call.gradient, call.logits.type()),
        .dtargets = gradient_rows<T>(kName, call.dtargets, call.logits.type()),
        .class_weights = call.class_weights.defined() ? call.class_weights.data<A>() : nullptr,
        .status = call.status.defined() ? call.status.data<std::int32_t>() : nullptr,
        .rows = loss_rows(kName, rows),
        .out = loss_operands<T>(kName, call.out, rows, {rows}),
        .classes = int(classes),
        .columns = int(columns),
        .kept = A(1 - call.label_smoothing),
        .uniform = A(call.label_smoothing / double(classes)),
        .weight = A(call.weight),
        .ignored_label = call.ignored_label};
    dispatch_ragged_row<T, 2>(classes, aligned, alike, [&]<int N, int P, bool R>(int threads) {
      launch<soft_cross_entropy_kernel<T, N, P, R>, kRowBlocks<N, P>>(
          stream,
          {.grid = loss_blocks(rows), .block = preferred_block(threads < 32 ? 32 : threads)},
          operands);
    });
    if (operands.gradient.data != nullptr && !operands.gradient.add)
      zero_padding(stream, operands.gradient.data, rows, classes, columns);
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
