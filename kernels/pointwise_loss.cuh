// The kernel of a loss summed over elements, from one functor
//
//   struct SquaredError {
//     template <class T> ADJOINT_HD T operator()(T x, T t) const { return (x - t) * (x - t); }
//   };
//
//   loss       sum_i l(x[i], t[i])
//   gradients  dx[i] (+)= dl/dx(x[i], t[i]) s,  dt[i] (+)= dl/dt(x[i], t[i]) s
//
// where s is what LossOutput multiplies gradients by. Both derivatives come from the functor called
// with dual numbers. A functor may also say `bool right(x, t)`: whether the prediction x is right,
// which is counted. Functors may hold constants, as members. x, t, dx, dt: any shape, same type and
// count. One launch, which reads x and t once and writes what is wanted.
#pragma once

#include "kernels/dual.h"
#include "kernels/loss_row.cuh"
#include "kernels/pack.h"
#include "kernels/pointwise_loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

template <class F, class T>
concept TellsRight = requires(F f, T x, T t) {
  { f.right(x, t) } -> std::convertible_to<bool>;
};

template <class T>
struct PointwiseLossOperands {
  const T* x;       // [count]
  const T* target;  // [count]
  T* dx;            // [count], or null
  T* dtarget;       // [count], or null
  bool add_dx, add_dtarget;
  std::int64_t count;
  int of_block;  // elements, whole packs
  double total_count;
  LossOperands<T> out;
};

/// l(x, t) and its derivative with respect to x, or to t.
template <bool kOfTarget, class F, class A>
ADJOINT_DEVICE Dual<A> loss_and_derivative(const F& f, A x, A t) {
  if constexpr (kOfTarget)
    return f(Dual<A>(x), Dual<A>(t, A(1)));
  else
    return f(Dual<A>(x, A(1)), Dual<A>(t));
}

/// Elements that a block of one thread takes at a time.
inline constexpr int kHostLossPiece = 1024;

namespace detail {

/// Sum of losses and number of right predictions.
template <class A>
using LossSum = Values<A, 2>;

template <class F, class A>
ADJOINT_DEVICE A count_right([[maybe_unused]] const F& f, [[maybe_unused]] A x,
                             [[maybe_unused]] A t) {
  if constexpr (TellsRight<F, A>)
    return f.right(x, t) ? A(1) : A(0);
  else
    return A(0);
}

/// N elements at i. The old gradient is read after dx was written: the two may be one, of a value
/// that is its own target.
template <int N, class F, class T>
ADJOINT_DEVICE void pointwise_loss_pack(const F& f, const PointwiseLossOperands<T>& in,
                                        std::int64_t i, Accumulate<T> shared,
                                        LossSum<Accumulate<T>>& sum) {
  using A = Accumulate<T>;
  const auto x = load_pack<N>(in.x + i), t = load_pack<N>(in.target + i);
  Pack<A, N> loss, derivative;
  ADJOINT_UNROLL
  for (int k = 0; k < N; ++k) {
    const Dual<A> result = loss_and_derivative<false>(f, A(x[k]), A(t[k]));
    loss[k] = result.value;
    derivative[k] = result.derivative * shared;
    sum[0] += loss[k];
    sum[1] += count_right(f, A(x[k]), A(t[k]));
  }
  if (in.out.losses != nullptr) store_pack<N>(in.out.losses + i, convert<T>(loss));
  const auto store = [&](T* to, bool add) {
    if (in.out.dy_each != nullptr) {
      const auto each = load_pack<N>(in.out.dy_each + i);
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) derivative[k] *= A(each[k]);
    }
    if (add) {
      const auto old = load_pack<N>(to + i);
      ADJOINT_UNROLL
      for (int k = 0; k < N; ++k) derivative[k] = A(old[k]) + derivative[k];
    }
    store_pack<N>(to + i, convert<T>(derivative));
  };
  if (in.dx != nullptr) store(in.dx, in.add_dx);
  if (in.dtarget == nullptr) return;
  ADJOINT_UNROLL
  for (int k = 0; k < N; ++k)
    derivative[k] = loss_and_derivative<true>(f, A(x[k]), A(t[k])).derivative * shared;
  store(in.dtarget, in.add_dtarget);
}

/// A piece of the elements in a block of one thread, wherever they lie in memory: what is wanted in
/// a loop of its own, of a length that stays in the first-level cache from loop to loop.
template <class F, class T>
ADJOINT_DEVICE LossPartial one_thread_loss(Block& block, const F& f,
                                           const PointwiseLossOperands<T>& in, std::int64_t base,
                                           int n, Accumulate<T> shared) {
  using A = Accumulate<T>;
  Row<T, 1, 0> x;
  x.load(block, in.x + base, n);
  const InMemory<T> t{in.target + base};
  const auto loss = [f](int, A x, A t) { return f(x, t); };
  LossPartial mine = LossPartial::none();
  if (in.out.totals != nullptr) {
    mine.loss = double(row_sum<A>(block, n, loss, x, t));
    if constexpr (TellsRight<F, A>)
      mine.correct = std::int32_t(row_sum<A>(
          block, n, [&](int, A x, A t) { return count_right(f, x, t); }, x, t));
  }
  if (in.out.losses != nullptr) row_map(block, n, in.out.losses + base, loss, x, t);
  const auto gradient = [&](auto of_target, const GradientRows<T>& to) {
    const auto derivative = [f, shared](A x, A t) {
      return loss_and_derivative<decltype(of_target)::value>(f, x, t).derivative * shared;
    };
    if (in.out.dy_each != nullptr)
      write_gradient(
          block, n, to, base,
          [derivative](int, A x, A t, A each) { return derivative(x, t) * each; }, x, t,
          InMemory<T>{in.out.dy_each + base});
    else
      write_gradient(
          block, n, to, base, [derivative](int, A x, A t, A) { return derivative(x, t); }, x, t, t);
  };
  gradient(std::false_type{}, {in.dx, in.add_dx});
  gradient(std::true_type{}, {in.dtarget, in.add_dtarget});
  return mine;
}

}  // namespace detail

template <class F, class T, int N>
__global__ void __launch_bounds__(kMapThreads, 3)
    pointwise_loss_kernel(F f, PointwiseLossOperands<T> in) {
  using A = Accumulate<T>;
  Block block;
  const std::int64_t base = std::int64_t(blockIdx.x) * in.of_block;
  const int n = in.count - base < in.of_block ? int(in.count - base) : in.of_block;
  const A shared = in.out.factor();
  LossPartial mine = LossPartial::none();
  if (N == 1 && one_thread()) {
    for (int begin = 0; begin < n; begin += kHostLossPiece) {
      const int piece = n - begin < kHostLossPiece ? n - begin : kHostLossPiece;
      mine = AddLossPartials{}(mine,
                               detail::one_thread_loss(block, f, in, base + begin, piece, shared));
    }
  } else {
    detail::LossSum<A> sum{};
    const int whole = n / N * N;
    for (int i = block.thread * N; i < whole; i += block.threads * N)
      detail::pointwise_loss_pack<N>(f, in, base + i, shared, sum);
    ADJOINT_BLOCK_FOR(block, i, n - whole)
    detail::pointwise_loss_pack<1>(f, in, base + whole + i, shared, sum);
    if (in.out.totals == nullptr) return;
    sum = block.sum(sum);
    mine.loss = double(sum[0]);
    mine.correct = std::int32_t(sum[1]);
  }
  mine.count = blockIdx.x == 0 ? in.total_count : 0.0;
  finish_loss(block, in.out, mine);
}

/// Throws Error naming the operand whose type or shape does not fit.
template <class F>
void pointwise_loss(Stream& stream, const F& f, const PointwiseLossCall& call) {
  constexpr const char* kName = "pointwise_loss";
  const Tensor& x = call.x;
  check_operand(kName, "x", x, x.type());
  check_operand(kName, "target", call.target, x.type());
  for (const Gradient& gradient : {call.dx, call.dtarget})
    if (gradient.wanted()) check_operand(kName, "gradient", gradient.tensor, x.type());
  ADJOINT_CHECK(x.count() < (std::int64_t{1} << 40), kName, ": expected fewer than 2^40 elements");
  const std::int64_t pieces = pointwise_loss_pieces(x.count());
  const auto memory = [](const Gradient& gradient) {
    return gradient.wanted() ? gradient.tensor : Tensor();
  };
  const Tensor dx = memory(call.dx), dtarget = memory(call.dtarget);
  dispatch_floating(x.dtype(), kName, [&]<class T>() {
    const PointwiseLossOperands<T> operands{
        .x = x.data<T>(),
        .target = call.target.data<T>(),
        .dx = dx.defined() ? dx.data<T>() : nullptr,
        .dtarget = dtarget.defined() ? dtarget.data<T>() : nullptr,
        .add_dx = call.dx.accumulates(),
        .add_dtarget = call.dtarget.accumulates(),
        .count = x.count(),
        .of_block = int(loss_pieces_per_block(pieces)) * kPointwiseLossPiece,
        .total_count = call.count,
        .out = loss_operands<T>(kName, call.out, pieces, x.shape())};
    const auto run = [&]<int N>() {
      launch<pointwise_loss_kernel<F, T, N>, N == 1 ? Blocks::preferred : Blocks::many>(
          stream, {.grid = loss_blocks(pieces), .block = preferred_block(kMapThreads)}, f,
          operands);
    };
    constexpr int N = kMapPack<T>;
    if constexpr (N > 1)  // which the loops of a block of one thread have no use for
      if (gpu_blocks() &&
          map_head(N, {x, call.target, dx, dtarget, call.out.losses, call.out.losses_dy}) == 0)
        return run.template operator()<N>();
    run.template operator()<1>();
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
