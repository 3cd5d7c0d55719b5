// Forward and backward kernels of a pointwise function y = f(x), from one functor
//
//   struct Swish {
//     template <class T> ADJOINT_HD T operator()(T x) const { return x * sigmoid(x); }
//   };
//
//   forward   y[i] = f(x[i])
//   backward  dx[i] (+)= f'(x[i]) dy[i], f' from the functor called with a dual number
//
// A functor may instead give f' itself, `derivative(x)`, or from the output alone,
// `derivative_from_y(y)`: then backward reads y, and x may be forgotten or overwritten. Functors
// may hold constants, as members. x, y, dx, dy: any shape, same type and count; y may be x, dx may
// be dy.
#pragma once

#include "core/device/kernel.h"
#include "core/tensor/gradient.h"
#include "kernels/dual.h"
#include "kernels/kernel_body.h"
#include "kernels/pack.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

template <class F, class T>
concept GivesDerivative = requires(F f, T x) {
  f.derivative(x);
};
template <class F, class T>
concept GivesDerivativeFromY = requires(F f, T y) {
  f.derivative_from_y(y);
};

/// Whether backward reads y instead of x.
template <class F>
inline constexpr bool kDerivativeFromY = GivesDerivativeFromY<F, float>;

/// f' at x, or at y where the functor takes that.
template <class F, class T>
ADJOINT_HD T pointwise_derivative(const F& f, T x_or_y) {
  if constexpr (GivesDerivativeFromY<F, T>)
    return f.derivative_from_y(x_or_y);
  else if constexpr (GivesDerivative<F, T>)
    return f.derivative(x_or_y);
  else
    return f(Dual<T>(x_or_y, T(1))).derivative;
}

template <class F, class T, int N>
ADJOINT_KERNEL_BODY void pointwise_forward_body(const MapShape& shape, const F& f, T* y,
                                                const T* x) {
  map<N>(
      shape, y, [&](std::int64_t, Accumulate<T> x) { return f(x); }, x);
}

template <class F, class T, int N>
__global__ void __launch_bounds__(kMapThreads, 4)
    pointwise_forward_kernel(MapShape shape, F f, T* y, const T* x) {
  pointwise_forward_body<F, T, N>(shape, f, y, x);
}

template <class F, class T, int N, bool kAdd>
ADJOINT_KERNEL_BODY void pointwise_backward_body(const MapShape& shape, const F& f, T* dx,
                                                 const T* x_or_y, const T* dy) {
  using A = Accumulate<T>;
  if constexpr (kAdd)
    map<N>(
        shape, dx,
        [&](std::int64_t, A x, A dy, A old) { return old + pointwise_derivative(f, x) * dy; },
        x_or_y, dy, static_cast<const T*>(dx));
  else
    map<N>(
        shape, dx, [&](std::int64_t, A x, A dy) { return pointwise_derivative(f, x) * dy; }, x_or_y,
        dy);
}

template <class F, class T, int N, bool kAdd>
__global__ void __launch_bounds__(kMapThreads, 4)
    pointwise_backward_kernel(MapShape shape, F f, T* dx, const T* x_or_y, const T* dy) {
  pointwise_backward_body<F, T, N, kAdd>(shape, f, dx, x_or_y, dy);
}

/// Throw Error if types or counts differ.
inline void check_pointwise_forward(const Tensor& y, const Tensor& x) {
  check_operand("pointwise_forward", "y", y, {x.dtype(), y.shape()});
  ADJOINT_CHECK(x.contiguous() && x.count() == y.count(), "pointwise_forward: expected ", y.count(),
                " contiguous elements in x, got ", x.type());
}
inline void check_pointwise_backward(const Tensor& dx, const Tensor& x_or_y, const char* which,
                                     const Tensor& dy) {
  check_operand("pointwise_backward", "dx", dx, {dy.dtype(), dx.shape()});
  check_operand("pointwise_backward", which, x_or_y, {dy.dtype(), x_or_y.shape()});
  ADJOINT_CHECK(dy.contiguous() && dy.count() == dx.count() && dy.count() == x_or_y.count(),
                "pointwise_backward: expected ", dx.count(), " contiguous elements in dy, got ",
                dy.type());
}

/// y = f(x). Throws Error if types or counts differ.
template <class F>
void pointwise_forward(Stream& stream, const F& f, Tensor y, Tensor x) {
  check_pointwise_forward(y, x);
  dispatch_floating(x.dtype(), "pointwise_forward", [&]<class T>() {
    dispatch_map<kMapPack<T>>(x.count(), {y, x},
                              [&]<int N>(MapShape map, LaunchShape launch_shape) {
                                launch<pointwise_forward_kernel<F, T, N>>(
                                    stream, launch_shape, map, f, y.data<T>(), x.data<T>());
                              });
  });
}

/// dx (+)= f'(x) dy; takes y instead of x if kDerivativeFromY<F>. Does nothing if dx is not wanted.
template <class F>
void pointwise_backward(Stream& stream, const F& f, Gradient dx, Tensor x_or_y, Tensor dy) {
  if (!dx.wanted()) return;
  check_pointwise_backward(dx.tensor, x_or_y, kDerivativeFromY<F> ? "y" : "x", dy);
  dispatch_floating(dy.dtype(), "pointwise_backward", [&]<class T>() {
    dispatch_map<kMapPack<T>>(
        dy.count(), {dx.tensor, x_or_y, dy}, [&]<int N>(MapShape map, LaunchShape launch_shape) {
          T* const to = dx.tensor.data<T>();
          if (dx.accumulates())
            launch<pointwise_backward_kernel<F, T, N, true>>(stream, launch_shape, map, f, to,
                                                             x_or_y.data<T>(), dy.data<T>());
          else
            launch<pointwise_backward_kernel<F, T, N, false>>(stream, launch_shape, map, f, to,
                                                              x_or_y.data<T>(), dy.data<T>());
        });
  });
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
