// What rows of kernels/row.h are asked beside sums and maxima: how many elements fulfil a
// condition, where one lies, and what share each has of a sum.
#pragma once

#include "kernels/row.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace detail {

struct Least {
  static constexpr bool kSymmetric = true;
  ADJOINT_DEVICE int operator()(int a, int b) const { return a < b ? a : b; }
};

}  // namespace detail

/// How many elements of the row fulfil condition(i, x); every thread gets it.
template <class A, class Condition, class T, int N, int P, bool R>
ADJOINT_DEVICE int row_count(Block& block, int cols, const Condition& condition,
                             const Row<T, N, P, R>& row) {
  int count = 0;
  if (one_thread_form<N, P>()) {
    ADJOINT_SIMD_SUM(count)
    for (int i = 0; i < cols; ++i) count += condition(i, A(row.element(i)));
    return count;
  }
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto values = convert<A>(row.template pack<M>(p, i));
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k) count += condition(i + k, values[k]);
  });
  return block.sum(count);
}

/// The first element that is `value`, or `cols`; every thread gets it.
template <class A, class T, int N, int P, bool R>
ADJOINT_DEVICE int row_find(Block& block, int cols, A value, const Row<T, N, P, R>& row) {
  int first = cols;
  if (one_thread_form<N, P>()) {
    for (first = 0; first < cols && A(row.element(first)) != value;) ++first;
    return first;
  }
  row.for_each(block, cols, [&]<int M>(int p, int i) {
    const auto values = convert<A>(row.template pack<M>(p, i));
    ADJOINT_UNROLL
    for (int k = 0; k < M; ++k)
      if (values[k] == value && i + k < first) first = i + k;
  });
  return block.reduce(first, cols, detail::Least{});
}

/// out[i] = f(i, x) / sum_j f(j, x) over the row, in A: a softmax, of exponentials. `out` may be
/// the row's memory.
template <class A, class Function, class Out, class T, int N, int P, bool R>
ADJOINT_DEVICE void row_shares(Block& block, int cols, Out* out, const Function& function,
                               const Row<T, N, P, R>& row) {
  if constexpr (std::is_same_v<Out, A>)
    if (one_thread_form<N, P>()) {  // the terms wait in `out`, where nothing rounds them
      row_map(block, cols, out, function, row);
      Row<Out, N, P> terms;
      terms.load(block, out, cols);
      const A scale = A(1) / row_sum<A>(
                                 block, cols, [](int, A term) { return term; }, terms);
      return row_map(
          block, cols, out, [scale](int, A term) { return term * scale; }, terms);
    }
  const A scale = A(1) / row_sum<A>(block, cols, function, row);
  const auto share = [&](int i, A x) { return function(i, x) * scale; };
  row_map(block, cols, out, share, row);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
