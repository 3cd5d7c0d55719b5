// For each row x of the logits [rows, classes] with label t and smoothing e:
//
//   z = sum_j exp(x_j - max x)            log p_j = x_j - max x - log z
//   loss = -(1 - e) log p_t - e / classes sum_j log p_j
//   gradient_j = exp(x_j - max x) / z - (1 - e) [j = t] - e / classes
//
// (Szegedy et al. 2016, section 7; as PyTorch defines label_smoothing). Loss and gradient are
// multiplied by a constant weight and not divided by anything. Rows with the ignored label have
// neither.
//
// A block takes a range of rows, one after the other, each held in registers: read once, its
// gradient written in the same pass. The block that finishes last adds the blocks' totals in their
// order, so that one launch does all and the order of additions is fixed.
#include "kernels/softmax_cross_entropy.h"

#include "core/device/kernel.h"
#include "kernels/math.h"
#include "kernels/row.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

constexpr std::int32_t kNoRow = std::numeric_limits<std::int32_t>::max();

/// What a block leaves for the last one.
struct Partial {
  double loss;
  std::int32_t valid, correct, bad_row, unused;
};

template <class T>
struct Operands {
  const T* logits;             // [rows, classes]
  const std::int32_t* labels;  // [rows]
  T* gradient;                 // [rows, classes], or null
  Accumulate<T>* losses;       // [rows], or null
  Accumulate<T>* totals;       // [3]
  std::int32_t* status;        // [2]
  std::int32_t* counter;       // [1]
  Partial* partials;           // [blocks]
  std::int64_t rows;
  int classes, rows_of_block;
  Accumulate<T> smoothing, weight;
  std::int32_t ignored_label;
  bool accumulate_gradient, accumulate_totals;
};

/// Loss of one row and whether its prediction is right; writes the gradient.
template <class T, int N, int P>
ADJOINT_DEVICE Values<Accumulate<T>, 2> valid_row(Block& block, const Operands<T>& in,
                                                  std::int64_t row, int label) {
  using A = Accumulate<T>;
  const T* const logits = in.logits + row * in.classes;
  const A label_logit = A(logits[label]);  // now: the gradient may be written over it
  Row<T, N, P> x;
  x.load(block, logits, in.classes);
  const A largest = row_max<A>(block, in.classes, x);
  // The second sum counts the classes that come before the label and are as likely as any.
  const auto terms = [&](int i, A x) {
    return Values<A, 2>{exp(x - largest), i < label && x == largest ? A(1) : A(0)};
  };
  const Values<A, 2> sums = row_sums<A>(block, in.classes, terms, x);
  const A log_z = log(sums[0]), smoothing = in.smoothing;
  A loss = (A(1) - smoothing) * (largest + log_z - label_logit);
  if (smoothing > A(0)) {
    const A shifted = row_sum<A>(
        block, in.classes, [&](int, A x) { return x - largest; }, x);
    loss += smoothing * (log_z - shifted / A(in.classes));
  }
  if (in.gradient != nullptr) {
    const A scale = in.weight / sums[0], uniform = in.weight * smoothing / A(in.classes);
    const A target = in.weight * (A(1) - smoothing);
    const auto gradient = [&](int i, A x) {
      return exp(x - largest) * scale - uniform - (i == label ? target : A(0));
    };
    T* const to = in.gradient + row * in.classes;
    if (in.accumulate_gradient) {
      const auto added = [&](int i, A x, A old) { return old + gradient(i, x); };
      row_map(block, in.classes, to, added, x, Memory{static_cast<const T*>(to)});
    } else {
      row_map(block, in.classes, to, gradient, x);
    }
  }
  const bool correct = label_logit == largest && sums[1] == A(0);
  return {loss * in.weight, correct ? A(1) : A(0)};
}

template <class T>
ADJOINT_DEVICE void skipped_row(const Block& block, const Operands<T>& in, std::int64_t row) {
  if (in.gradient != nullptr && !in.accumulate_gradient)
    ADJOINT_BLOCK_FOR(block, i, in.classes) in.gradient[row * in.classes + i] = T(0.0f);
}

struct AddPartials {
  static constexpr bool kSymmetric = true;
  ADJOINT_DEVICE Partial operator()(const Partial& a, const Partial& b) const {
    return {a.loss + b.loss, a.valid + b.valid, a.correct + b.correct,
            a.bad_row < b.bad_row ? a.bad_row : b.bad_row, 0};
  }
};

/// Adds the partials of all blocks; the calling block is the last to finish.
template <class T>
ADJOINT_DEVICE void finish(Block& block, const Operands<T>& in) {
  using A = Accumulate<T>;
  const Partial none{0, 0, 0, kNoRow, 0};
  Partial total = none;
  ADJOINT_BLOCK_FOR(block, i, int(gridDim.x)) total = AddPartials{}(total, in.partials[i]);
  total = block.reduce(total, none, AddPartials{});
  if (block.thread != 0) return;
  const A sums[3] = {A(total.loss), A(total.valid), A(total.correct)};
  for (int i = 0; i < 3; ++i)
    in.totals[i] = in.accumulate_totals ? in.totals[i] + sums[i] : sums[i];
  if (total.bad_row != kNoRow && in.status[0] == 0) {
    in.status[0] = 1 + total.bad_row;
    in.status[1] = in.labels[total.bad_row];
  }
  *in.counter = 0;  // for the next call, or the next replay of this one
}

template <class T, int N, int P>
__global__ void __launch_bounds__(kRowThreads<P>, 1) softmax_cross_entropy_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  Partial mine{0, 0, 0, kNoRow, 0};
  const std::int64_t begin = std::int64_t(blockIdx.x) * in.rows_of_block;
  const std::int64_t end = begin + in.rows_of_block < in.rows ? begin + in.rows_of_block : in.rows;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int32_t label = in.labels[row];
    const bool valid = label >= 0 && label < in.classes && label != in.ignored_label;
    A loss = 0;
    if (valid) {
      const Values<A, 2> result = valid_row<T, N, P>(block, in, row, label);
      loss = result[0];
      mine.loss += double(loss);
      mine.valid += 1;
      mine.correct += result[1] != A(0);
    } else {
      skipped_row(block, in, row);
      if (label != in.ignored_label && mine.bad_row == kNoRow) mine.bad_row = std::int32_t(row);
    }
    if (block.thread == 0 && in.losses != nullptr) in.losses[row] = loss;
  }

  bool last = false;
  if (block.thread == 0) {
    in.partials[blockIdx.x] = mine;
    __threadfence();  // the partial is seen before the count
    last = atomicAdd(in.counter, 1) == int(gridDim.x) - 1;
  }
  if (!block.any(last)) return;
  __threadfence();  // and the other blocks' partials after it
  finish(block, in);
}

/// Few enough blocks for the last one to add up quickly, enough to fill a GPU.
int rows_per_block(std::int64_t rows) {
  constexpr std::int64_t kMostBlocks = 1024;
  return int((rows + kMostBlocks - 1) / kMostBlocks);
}
std::int64_t row_blocks(std::int64_t rows) {
  return rows == 0 ? 1 : (rows + rows_per_block(rows) - 1) / rows_per_block(rows);
}

}  // namespace

TensorType softmax_cross_entropy_scratch(std::int64_t rows) {
  return {DType::float64, Shape{row_blocks(rows) * std::int64_t(sizeof(Partial) / 8)}};
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& call) {
  constexpr const char* kName = "softmax_cross_entropy";
  const Tensor& logits = call.logits;
  ADJOINT_CHECK(logits.defined() && logits.contiguous(), kName, ": expected contiguous logits");
  const Tensor matrix = logits.as_matrix();
  const std::int64_t rows = matrix.shape()[0], classes = matrix.shape()[1];
  ADJOINT_CHECK(rows < kNoRow && classes < kNoRow / 2, kName,
                ": expected fewer than 2^31 rows and 2^30 classes, got ", matrix.shape());
  const DType accumulation = accumulation_type(logits.dtype());
  ADJOINT_CHECK(call.labels.defined() && call.labels.dtype() == DType::int32 &&
                    call.labels.count() == rows && call.labels.contiguous(),
                kName, ": labels: expected int32 [", rows, "], got ", call.labels.type());
  if (call.gradient.defined()) check_operand(kName, "gradient", call.gradient, logits.type());
  if (call.losses.defined()) check_operand(kName, "losses", call.losses, {accumulation, {rows}});
  check_operand(kName, "totals", call.totals, {accumulation, {3}});
  check_operand(kName, "status", call.status, {DType::int32, {2}});
  check_operand(kName, "counter", call.counter, {DType::int32, {1}});
  check_operand(kName, "scratch", call.scratch, softmax_cross_entropy_scratch(rows));
  ADJOINT_CHECK(call.label_smoothing >= 0.0f && call.label_smoothing <= 1.0f, kName,
                ": expected label_smoothing in [0, 1], got ", call.label_smoothing);
  const bool aligned = rows_aligned(classes, {logits, call.gradient});
  dispatch_floating(logits.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    const Operands<T> operands{
        .logits = logits.data<T>(),
        .labels = call.labels.data<std::int32_t>(),
        .gradient = call.gradient.defined() ? call.gradient.data<T>() : nullptr,
        .losses = call.losses.defined() ? call.losses.data<A>() : nullptr,
        .totals = call.totals.data<A>(),
        .status = call.status.data<std::int32_t>(),
        .counter = call.counter.data<std::int32_t>(),
        .partials = reinterpret_cast<Partial*>(call.scratch.data()),
        .rows = rows,
        .classes = int(classes),
        .rows_of_block = rows_per_block(rows),
        .smoothing = A(call.label_smoothing),
        .weight = A(call.weight),
        .ignored_label = call.ignored_label,
        .accumulate_gradient = call.accumulate_gradient,
        .accumulate_totals = call.accumulate_totals};
    dispatch_row<T, 8>(classes, aligned, [&]<int N, int P>(int threads) {
      launch<softmax_cross_entropy_kernel<T, N, P>>(
          stream, {.grid = row_blocks(rows), .block = preferred_block(threads < 32 ? 32 : threads)},
          operands);
    });
  });
}

}  // namespace adjoint::inline ADJOINT_BACKEND
