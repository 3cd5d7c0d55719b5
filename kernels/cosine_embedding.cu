// For each row of a and b [rows, cols] with label y, 1 or -1:
//
//   A = a.a + e    B = b.b + e    c = a.b / sqrt(A B)          e = 10^-12
//   loss = 1 - c for y = 1, max(0, c - margin) for y = -1
//   da = g (b / sqrt(A B) - c a / A)      db = g (a / sqrt(A B) - c b / B)
//
// with g = dloss / dc: -1, or 1 where c > margin and else 0 (as PyTorch defines
// cosine_embedding_loss), times what LossOutput says. A block takes a range of rows, one after the
// other, both vectors held in registers.
#include "kernels/cosine_embedding.h"

#include "kernels/loss_row.cuh"
#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct Operands {
  const T* a;                  // [rows, cols]
  const T* b;                  // [rows, cols]
  const std::int32_t* labels;  // [rows], or null
  GradientRows<T> da, db;      // [rows, cols]
  std::int32_t* status;        // [2]
  LossRows rows;
  LossOperands<T> out;
  int cols;
  Accumulate<T> margin;
};

/// Loss of one row; writes its gradients.
template <class T, int N, int P>
ADJOINT_DEVICE Accumulate<T> embedding_row(Block& block, const Operands<T>& in, std::int64_t row,
                                           bool alike) {
  using A = Accumulate<T>;
  constexpr A kSmall = A(1e-12);
  const std::int64_t base = row * in.cols;
  Row<T, N, P> a, b;
  a.load(block, in.a + base, in.cols);
  b.load(block, in.b + base, in.cols);
  const auto products = [](int, A a, A b) { return Values<A, 2>{a * b, a * a}; };
  const Values<A, 2> sums = row_sums<A>(block, in.cols, products, a, b);
  const A aa = sums[1] + kSmall;
  const A bb = row_sum<A>(
                   block, in.cols, [](int, A b) { return b * b; }, b) +
               kSmall;
  // Two roots: the product of two squares could overflow.
  const A scale = A(1) / (sqrt(aa) * sqrt(bb)), cosine = sums[0] * scale;
  const A above = cosine - in.margin;
  const A slope = alike ? A(-1) : above <= A(0) ? A(0) : A(1);  // NaN stays in the gradient
  const A seed = slope * in.out.factor(in.out.factor(), row);
  const A cross = seed * scale, own_a = seed * cosine / aa, own_b = seed * cosine / bb;
  const Optional none{static_cast<const T*>(nullptr)};
  const auto da = [&](int, A a, A b, A) { return cross * b - own_a * a; };
  const auto db = [&](int, A a, A b, A) { return cross * a - own_b * b; };
  write_gradient(block, in.cols, in.da, base, da, a, b, none);
  write_gradient(block, in.cols, in.db, base, db, a, b, none);
  if (alike) return A(1) - cosine;
  return above < A(0) ? A(0) : above;  // NaN stays
}

template <class T, int N, int P>
__global__ void __launch_bounds__(kRowThreads<P>, 1) cosine_embedding_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  ADJOINT_SHARED(LossPartial, mine, [1]);  // of thread 0
  if (block.thread == 0) mine[0] = LossPartial::none();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const std::int32_t label = in.labels == nullptr ? 1 : in.labels[row];
    const bool valid = label == 1 || label == -1;
    A loss = 0;
    if (valid) {
      loss = embedding_row<T, N, P>(block, in, row, label == 1);
    } else {
      for (const GradientRows<T>& to : {in.da, in.db})
        if (to.data != nullptr && !to.add)
          ADJOINT_BLOCK_FOR(block, i, in.cols) to.data[row * in.cols + i] = T(0.0f);
    }
    if (block.thread != 0) continue;
    if (in.out.losses != nullptr) in.out.losses[row] = T(loss);
    mine[0].loss += double(loss);
    mine[0].count += valid ? 1.0 : 0.0;
    mine[0].correct += valid && loss <= A(0);
    if (!valid && mine[0].bad_row == kNoRow) mine[0].bad_row = std::int32_t(row);
  }
  finish_loss(block, in.out, mine[0],
              [&](const LossPartial& total) { note_bad_row(total, in.status, in.labels); });
}

}  // namespace

void cosine_embedding(Stream& stream, const CosineEmbeddingCall& call) {
  constexpr const char* kName = "cosine_embedding";
  ADJOINT_CHECK(call.a.defined() && call.a.contiguous() && call.a.shape().rank() == 2, kName,
                ": expected contiguous a [rows, cols]");
  const std::int64_t rows = call.a.shape()[0], cols = call.a.shape()[1];
  ADJOINT_CHECK(cols < kNoRow / 2, kName, ": expected fewer than 2^30 columns, got ", cols);
  const TensorType& type = call.a.type();
  check_operand(kName, "b", call.b, type);
  if (call.labels.defined()) {
    check_operand(kName, "labels", call.labels, {DType::int32, {rows}});
    check_operand(kName, "status", call.status, {DType::int32, {2}});
  }
  const bool aligned = rows_aligned(cols, {call.a, call.b, call.da.tensor, call.db.tensor});
  dispatch_floating(type.dtype, kName, [&]<class T>() {
    const Operands<T> operands{
        .a = call.a.data<T>(),
        .b = call.b.data<T>(),
        .labels = call.labels.defined() ? call.labels.data<std::int32_t>() : nullptr,
        .da = gradient_rows<T>(kName, call.da, type),
        .db = gradient_rows<T>(kName, call.db, type),
        .status = call.status.defined() ? call.status.data<std::int32_t>() : nullptr,
        .rows = loss_rows(kName, rows),
        .out = loss_operands<T>(kName, call.out, rows, {rows}),
        .cols = int(cols),
        .margin = Accumulate<T>(call.margin)};
    dispatch_row<T, 2>(cols, aligned, [&]<int N, int P>(int threads) {
      launch<cosine_embedding_kernel<T, N, P>, kRowBlocks<N, P>>(
          stream,
          {.grid = loss_blocks(rows), .block = preferred_block(threads < 32 ? 32 : threads)},
          operands);
    });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
