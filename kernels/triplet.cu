// For each row of an anchor a, a positive p and a negative n [rows, cols]:
//
//   u = a - p + e      v = a - n + e      loss = max(0, |u| - |v| + margin)      e = 10^-6
//   da = u / |u| - v / |v|      dp = -u / |u|      dn = v / |v|      where the maximum is not 0
//
// (Schroff et al. 2015, "FaceNet", with distances as PyTorch's triplet_margin_loss has them), times
// what LossOutput says. A block takes a range of rows, one after the other, the anchor held in
// registers and the others read twice.
#include "kernels/triplet.h"

#include "kernels/loss_row.cuh"
#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
struct Operands {
  const T* anchor;                                // [rows, cols]
  const T* positive;                              // [rows, cols]
  const T* negative;                              // [rows, cols]
  GradientRows<T> danchor, dpositive, dnegative;  // [rows, cols]
  LossRows rows;
  LossOperands<T> out;
  int cols;
  Accumulate<T> margin;
};

/// Loss of one row and whether the positive is nearer; writes the gradients.
template <class T, int N, int P>
ADJOINT_DEVICE Values<Accumulate<T>, 2> triplet_row(Block& block, const Operands<T>& in,
                                                    std::int64_t row) {
  using A = Accumulate<T>;
  constexpr A kSmall = A(1e-6);
  const std::int64_t base = row * in.cols;
  Row<T, N, P> a;
  a.load(block, in.anchor + base, in.cols);
  const InMemory p{in.positive + base}, n{in.negative + base};
  const auto squares = [](int, A a, A p, A n) {
    const A u = a - p + kSmall, v = a - n + kSmall;
    return Values<A, 2>{u * u, v * v};
  };
  const Values<A, 2> sums = row_sums<A>(block, in.cols, squares, a, p, n);
  const A near = sqrt(sums[0]), far = sqrt(sums[1]), above = near - far + in.margin;
  const A seed = above <= A(0) ? A(0) : in.out.factor(in.out.factor(), row);
  const A of_u = near > A(0) ? seed / near : A(0), of_v = far > A(0) ? seed / far : A(0);
  const auto da = [&](int, A a, A p, A n) {
    return of_u * (a - p + kSmall) - of_v * (a - n + kSmall);
  };
  const auto dp = [&](int, A a, A p, A) { return -of_u * (a - p + kSmall); };
  const auto dn = [&](int, A a, A, A n) { return of_v * (a - n + kSmall); };
  write_gradient(block, in.cols, in.danchor, base, da, a, p, n);
  write_gradient(block, in.cols, in.dpositive, base, dp, a, p, n);
  write_gradient(block, in.cols, in.dnegative, base, dn, a, p, n);
  return {above < A(0) ? A(0) : above, near < far ? A(1) : A(0)};  // NaN stays
}

template <class T, int N, int P>
__global__ void __launch_bounds__(kRowThreads<P>, 1) triplet_kernel(Operands<T> in) {
  using A = Accumulate<T>;
  Block block;
  ADJOINT_SHARED(LossPartial, mine, [1]);  // of thread 0
  if (block.thread == 0) mine[0] = LossPartial::none();
  for (std::int64_t row = in.rows.begin(), end = in.rows.end(); row < end; ++row) {
    const Values<A, 2> result = triplet_row<T, N, P>(block, in, row);
    if (block.thread != 0) continue;
    if (in.out.losses != nullptr) in.out.losses[row] = T(result[0]);
    mine[0].loss += double(result[0]);
    mine[0].count += 1.0;
    mine[0].correct += result[1] != A(0);
  }
  finish_loss(block, in.out, mine[0]);
}

}  // namespace

void triplet(Stream& stream, const TripletCall& call) {
  constexpr const char* kName = "triplet";
  const Tensor& anchor = call.anchor;
  ADJOINT_CHECK(anchor.defined() && anchor.contiguous() && anchor.shape().rank() == 2, kName,
                ": expected a contiguous anchor [rows, cols]");
  const std::int64_t rows = anchor.shape()[0], cols = anchor.shape()[1];
  ADJOINT_CHECK(cols < kNoRow / 2, kName, ": expected fewer than 2^30 columns, got ", cols);
  const TensorType& type = anchor.type();
  check_operand(kName, "positive", call.positive, type);
  check_operand(kName, "negative", call.negative, type);
  const bool aligned =
      rows_aligned(cols, {anchor, call.positive, call.negative, call.danchor.tensor,
                          call.dpositive.tensor, call.dnegative.tensor});
  dispatch_floating(type.dtype, kName, [&]<class T>() {
    const Operands<T> operands{.anchor = anchor.data<T>(),
                               .positive = call.positive.data<T>(),
                               .negative = call.negative.data<T>(),
                               .danchor = gradient_rows<T>(kName, call.danchor, type),
                               .dpositive = gradient_rows<T>(kName, call.dpositive, type),
                               .dnegative = gradient_rows<T>(kName, call.dnegative, type),
                               .rows = loss_rows(kName, rows),
                               .out = loss_operands<T>(kName, call.out, rows, {rows}),
                               .cols = int(cols),
                               .margin = Accumulate<T>(call.margin)};
    dispatch_row<T, 2>(cols, aligned, [&]<int N, int P>(int threads) {
      launch<triplet_kernel<T, N, P>, kRowBlocks<N, P>>(
          stream,
          {.grid = loss_blocks(rows), .block = preferred_block(threads < 32 ? 32 : threads)},
          operands);
    });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
