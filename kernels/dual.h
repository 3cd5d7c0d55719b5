// Dual numbers: a value and its derivative with respect to one variable. A function written once
// over a scalar type T, called with Dual<T>(x, 1), returns f(x) and f'(x): forward-mode
// differentiation, done by the compiler in registers (Griewank and Walther 2008, chapter 3).
//
// Where a function has a kink, the derivative is that of the branch the comparison takes. What does
// not move has derivative 0, and contributes 0 however large its factor: constants times infinite
// values, and functions that have reached their bounds, would make NaN of 0 times infinity.
#pragma once

#include "kernels/math.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A term of the chain rule: derivative times slope, and 0 where the derivative is 0.
template <class T>
ADJOINT_HD T chain(T derivative, T slope) {
  return derivative == T(0) ? T(0) : derivative * slope;
}

/// The same with a divisor.
template <class T>
ADJOINT_HD T chain_over(T derivative, T divisor) {
  return derivative == T(0) ? T(0) : derivative / divisor;
}

template <class T>
struct Dual {
  T value;
  T derivative;

  Dual() = default;
  /// A constant. Literals may be float32 or float64: T decides.
  ADJOINT_HD Dual(T constant) : value(constant), derivative(T(0)) {}
  ADJOINT_HD Dual(T value, T derivative) : value(value), derivative(derivative) {}

  friend ADJOINT_HD Dual operator-(Dual a) { return {-a.value, -a.derivative}; }
  friend ADJOINT_HD Dual operator+(Dual a, Dual b) {
    return {a.value + b.value, a.derivative + b.derivative};
  }
  friend ADJOINT_HD Dual operator-(Dual a, Dual b) {
    return {a.value - b.value, a.derivative - b.derivative};
  }
  friend ADJOINT_HD Dual operator*(Dual a, Dual b) {
    return {a.value * b.value, chain(a.derivative, b.value) + chain(b.derivative, a.value)};
  }
  friend ADJOINT_HD Dual operator/(Dual a, Dual b) {
    const T quotient = a.value / b.value;
    return {quotient, (a.derivative - chain(b.derivative, quotient)) / b.value};
  }
  ADJOINT_HD Dual& operator+=(Dual b) { return *this = *this + b; }
  ADJOINT_HD Dual& operator-=(Dual b) { return *this = *this - b; }
  ADJOINT_HD Dual& operator*=(Dual b) { return *this = *this * b; }
  ADJOINT_HD Dual& operator/=(Dual b) { return *this = *this / b; }

  friend ADJOINT_HD bool operator<(Dual a, Dual b) { return a.value < b.value; }
  friend ADJOINT_HD bool operator>(Dual a, Dual b) { return a.value > b.value; }
  friend ADJOINT_HD bool operator<=(Dual a, Dual b) { return a.value <= b.value; }
  friend ADJOINT_HD bool operator>=(Dual a, Dual b) { return a.value >= b.value; }
  friend ADJOINT_HD bool operator==(Dual a, Dual b) { return a.value == b.value; }
  friend ADJOINT_HD bool operator!=(Dual a, Dual b) { return a.value != b.value; }
};

template <class T>
ADJOINT_HD Dual<T> exp(Dual<T> x) {
  const T e = exp(x.value);
  return {e, chain(x.derivative, e)};
}

template <class T>
ADJOINT_HD Dual<T> log(Dual<T> x) {
  return {log(x.value), chain_over(x.derivative, x.value)};
}

template <class T>
ADJOINT_HD Dual<T> tanh(Dual<T> x) {
  const T t = tanh(x.value);
  return {t, chain(x.derivative, T(1) - t * t)};
}

/// erf'(x) = 2 / sqrt(pi) e^(-x^2)
template <class T>
ADJOINT_HD Dual<T> erf(Dual<T> x) {
  return {erf(x.value), chain(x.derivative, T(1.1283791670955126) * exp(-x.value * x.value))};
}

template <class T>
ADJOINT_HD Dual<T> expm1(Dual<T> x) {
  const T e = expm1(x.value);
  return {e, chain(x.derivative, e + T(1))};
}

template <class T>
ADJOINT_HD Dual<T> log1p(Dual<T> x) {
  return {log1p(x.value), chain_over(x.derivative, T(1) + x.value)};
}

template <class T>
ADJOINT_HD Dual<T> log1p_unit(Dual<T> z) {
  return {log1p_unit(z.value), chain_over(z.derivative, T(1) + z.value)};
}

template <class T>
ADJOINT_HD Dual<T> sqrt(Dual<T> x) {
  const T root = sqrt(x.value);
  return {root, chain_over(x.derivative, root + root)};
}

/// x to a constant power.
template <class T>
ADJOINT_HD Dual<T> pow(Dual<T> x, T power) {
  return {pow(x.value, power), chain(x.derivative, chain(power, pow(x.value, power - T(1))))};
}

/// x^y for x > 0.
template <class T>
ADJOINT_HD Dual<T> pow(Dual<T> x, Dual<T> y) {
  const T value = pow(x.value, y.value);
  return {value, value * (chain(y.derivative, log(x.value)) +
                          y.value * chain_over(x.derivative, x.value))};
}

/// sigmoid' = s (1 - s): one exponential where the quotient rule would divide twice.
template <class T>
ADJOINT_HD Dual<T> sigmoid(Dual<T> x) {
  const T s = sigmoid(x.value);
  return {s, chain(x.derivative, s * (T(1) - s))};
}

// For plain and dual numbers alike. Not named max and min: CUDA declares those globally with its
// own rules for NaN; here a NaN in the first argument stays.

template <class T>
ADJOINT_HD T select(bool condition, T a, T b) {
  return condition ? a : b;
}
/// Member by member: a choice between structures is a branch, which stops the host's vectoriser.
template <class T>
ADJOINT_HD Dual<T> select(bool condition, Dual<T> a, Dual<T> b) {
  return {condition ? a.value : b.value, condition ? a.derivative : b.derivative};
}
/// a b, and 0 where a is 0 even if b is infinite: the limit, where a is the weight of b.
template <class T>
ADJOINT_HD T weighted(T a, T b) {
  return a == T(0) ? T(0) : a * b;
}
template <class T>
ADJOINT_HD Dual<T> weighted(Dual<T> a, Dual<T> b) {
  return {weighted(a.value, b.value), (a * b).derivative};
}
template <class T>
ADJOINT_HD T maximum(T a, T b) {
  return select(b > a, b, a);
}
template <class T>
ADJOINT_HD T minimum(T a, T b) {
  return select(b < a, b, a);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
