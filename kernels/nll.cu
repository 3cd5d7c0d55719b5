// For each row x of log-probabilities [rows, classes] with label t and class weights c:
//
//   loss = -c_t x_t          dx_j = -c_t [j = t]
//
// times what LossOutput says. Rows with the ignored label have neither. A block takes a range of
// rows, one after the other; x is read for the count of rows predicted right alone, so where there
// are no totals only x_t is.
#include "kernels/nll.h"

#include "kernels/loss.cuh"
#include "kernels/row_algorithms.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr int kNllThreads = 128;

template <class T>
struct Operands {
  const T* x;                          // [rows, classes]
  const std::int32_t* labels;          // [rows]
  T* dx;                               // [rows, classes], or null
  const Accumulate<T>* class_weights;  // [classes], or null
  std::int32_t* status;                // [2]
  LossRows rows;
  LossOperands<T> out;
  int classes;
  std::int32_t ignored_label;
  bool add;
};

/// Whether the label is the first of the largest.
template <class T>
ADJOINT_DEVICE bool right(Block& block, const Operands<T>& in, const T* x, int label) {
  using A = Accumulate<T>;
  const A chosen = A(x[label]);
  Row<T, 1, 0> row;
  row.load(block, x, in.classes);
  const auto before = [chosen, label](int j, A other) {
    return (other > chosen) | ((j < label) & (other == chosen));
  };
  return row_count<A>(block, in.classes, before, row) == 0;
}

template <class T>
__global__ void __launch_bounds__(kNllThreads) nll_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  LossPartial mine = LossPartial::none();
  const A shared = in.out.factor();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const std::int32_t label = in.labels[row];
    const bool ignored = label == in.ignored_label;
    const bool valid = label >= 0 && label < in.classes && !ignored;
    const T* const x = in.x + row * in.classes;
    const A weight = !valid ? A(0) : in.class_weights == nullptr ? A(1) : in.class_weights[label];
    // A class of weight 0 has no loss, though its log-probability may be infinite.
    const A loss = weight == A(0) ? A(0) : -weight * A(x[label]);
    if (valid && in.out.totals != nullptr) mine.correct += right(block, in, x, label);
    if (in.dx != nullptr) {
      T* const dx = in.dx + row * in.classes;
      const A gradient = -weight * in.out.factor(shared, row);
      const int chosen = valid ? label : -1;
      if (!in.add) {
        ADJOINT_BLOCK_FOR(block, j, in.classes) dx[j] = j == chosen ? T(gradient) : T(0.0f);
      } else if (valid && block.thread == label % block.threads) {
        dx[label] = T(A(dx[label]) + gradient);
      }
    }
    if (block.thread == 0 && in.out.losses != nullptr) in.out.losses[row] = T(loss);
    mine.loss += double(loss);
    mine.count += double(weight);
    if (!valid && !ignored && mine.bad_row == kNoRow) mine.bad_row = std::int32_t(row);
  }
  finish_loss(block, in.out, mine,
              [&](const LossPartial& total) { note_bad_row(total, in.status, in.labels); });
}

}  // namespace

void nll(Stream& stream, const NllCall& call) {
  constexpr const char* kName = "nll";
  ADJOINT_CHECK(call.x.defined() && call.x.contiguous() && call.x.shape().rank() == 2, kName,
                ": expected contiguous x [rows, classes]");
  const std::int64_t rows = call.x.shape()[0], classes = call.x.shape()[1];
  ADJOINT_CHECK(classes < kNoRow / 2, kName, ": expected fewer than 2^30 classes, got ", classes);
  check_operand(kName, "labels", call.labels, {DType::int32, {rows}});
  if (call.dx.wanted()) check_operand(kName, "dx", call.dx.tensor, call.x.type());
  if (call.class_weights.defined())
    check_operand(kName, "class_weights", call.class_weights,
                  {accumulation_type(call.x.dtype()), {classes}});
  check_operand(kName, "status", call.status, {DType::int32, {2}});
  dispatch_floating(call.x.dtype(), kName, [&]<class T>() {
    using A = Accumulate<T>;
    launch<nll_kernel<T>>(
        stream, {.grid = loss_blocks(rows), .block = preferred_block(kNllThreads)},
        Operands<T>{
            .x = call.x.data<T>(),
            .labels = call.labels.data<std::int32_t>(),
            .dx = call.dx.wanted() ? call.dx.tensor.data<T>() : nullptr,
            .class_weights = call.class_weights.defined() ? call.class_weights.data<A>() : nullptr,
            .status = call.status.data<std::int32_t>(),
            .rows = loss_rows(kName, rows),
            .out = loss_operands<T>(kName, call.out, rows, {rows}),
            .classes = int(classes),
            .ignored_label = call.ignored_label,
            .add = call.dx.accumulates()});
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
