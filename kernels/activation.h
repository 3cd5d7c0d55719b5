// Activation functions as functors over a scalar type: kernels/pointwise.cuh makes forward and
// backward kernels of them, kernels of other operations may call them in passing. Each says between
// what its values lie, the least of those with a dip being that of the curve, rounded down.
#pragma once

#include "core/tensor/value_range.h"
#include "kernels/dual.h"
#include "kernels/gelu.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// max(x, 0); its derivative is read off the output, so that x need not be kept. NaN stays NaN.
struct Relu {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return select(x <= T(0.0f), T(0.0f), x);
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return select(y > T(0.0f), T(1.0f), T(0.0f));
  }
  ValueRange range() const { return ValueRange::above(0); }
};

/// The tanh form of kernels/gelu.h, which products apply as they end: the same bits, whether a
/// graph is rewritten or not.
struct GeluTanh {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return gelu_tanh(x);
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    return gelu_tanh_derivative(x);
  }
  ValueRange range() const { return ValueRange::above(-0.171); }
};

/// The exact form (Hendrycks and Gimpel, arXiv:1606.08415): x Phi(x) = x (1 + erf(x / sqrt(2)))
/// / 2.
struct GeluExact {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return weighted(T(1.0f) + erf(x * T(0.7071067811865476)), T(0.5f) * x);
  }
  ValueRange range() const { return ValueRange::above(-0.17); }
};

/// x where positive, else slope x (Maas et al. 2013). With a slope of 0 or more the output tells
/// which.
struct LeakyRelu {
  double slope;
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return select(x <= T(0.0f), weighted(T(slope), x), x);  // NaN stays
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return select(y > T(0.0f), T(1.0f), T(slope));
  }
  ValueRange range() const { return slope > 0 ? ValueRange::real() : ValueRange::above(0); }
};

/// x where positive, else alpha (e^x - 1) (Clevert et al. 2016).
struct Elu {
  double alpha;
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return select(x > T(0.0f), x, T(alpha) * expm1(minimum(x, T(0.0f))));
  }
  ValueRange range() const { return ValueRange::above(0 - alpha); }
};

/// scale ELU(x) with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017).
struct Selu {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return T(1.0507009873554805) * Elu{1.6732632423543772}(x);
  }
  ValueRange range() const { return ValueRange::above(-1.7581); }
};

/// x sigmoid(x) (Elfwing et al. 2018; swish of Ramachandran et al. 2017).
struct Silu {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return weighted(sigmoid(x), x);
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    const T s = sigmoid(x);
    return s + weighted(s * (T(1.0f) - s), x);
  }
  ValueRange range() const { return ValueRange::above(-0.2785); }
};

/// x tanh(log(1 + e^x)) (Misra 2020). With n = e^x (e^x + 2) that is x n / (n + 2), which neither
/// cancels nor, cut off where the quotient is 1 in float64, overflows.
struct MishFunction {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    const T e = exp(minimum(x, T(20.0f)));
    const T n = e * (e + T(2.0f));
    return weighted(n / (n + T(2.0f)), x);
  }
  /// n / (n + 2) + x 4 e (e + 1) / (n + 2)^2, e = e^x, whose second term is nothing beyond 20.
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    const T bounded = minimum(x, T(20.0f)), e = exp(bounded);
    const T n = e * (e + T(2.0f)), over = T(1.0f) / (n + T(2.0f));
    return n * over + weighted(T(4.0f) * e * (e + T(1.0f)) * over * over, bounded);
  }
  ValueRange range() const { return ValueRange::above(-0.3089); }
};

struct TanhFunction {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return tanh(x);
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return T(1.0f) - y * y;
  }
  ValueRange range() const { return ValueRange::between(-1, 1); }
};

struct SigmoidFunction {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return sigmoid(x);
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return y * (T(1.0f) - y);
  }
  ValueRange range() const { return ValueRange::between(0, 1); }
};

/// log(1 + e^(beta x)) / beta, and x where beta x exceeds the threshold (Dugas et al. 2001; the
/// threshold is PyTorch's). As max(x, 0) + log1p(e^-|z|) / beta, z = beta x, it is finite for any
/// threshold.
struct SoftplusFunction {
  double beta, threshold;
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    const T z = T(beta) * x;
    const T bend = log1p_unit(exp(select(z > T(0.0f), -z, z))) / T(beta);
    return select(z > T(threshold), x, maximum(x, T(0.0f)) + bend);
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    const T z = T(beta) * x;
    return select(z > T(threshold), T(1.0f), sigmoid(z));
  }
  ValueRange range() const { return ValueRange::above(0); }
};

/// low < x < high; not by &&, whose second half would be a branch that stops the vectoriser.
template <class T>
ADJOINT_HD bool between(T x, T low, T high) {
  return (x > low) & (x < high);
}

/// x between two bounds.
struct HardTanhFunction {
  double low, high;
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return minimum(maximum(x, T(low)), T(high));
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    return select(between(x, T(low), T(high)), T(1.0f), T(0.0f));
  }
  ValueRange range() const { return ValueRange::between(low, high); }
};

/// min(max(x, 0), 6) (Krizhevsky 2010). All types hold 0 and 6, so the output tells which is met.
struct Relu6 {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return minimum(maximum(x, T(0.0f)), T(6.0f));
  }
  template <class T>
  ADJOINT_HD T derivative_from_y(T y) const {
    return select(between(y, T(0.0f), T(6.0f)), T(1.0f), T(0.0f));
  }
  ValueRange range() const { return ValueRange::between(0, 6); }
};

/// min(max(x + 3, 0), 6) / 6 (Howard et al. 2019).
struct HardSigmoidFunction {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return Relu6{}(x + T(3.0f)) * T(1.0 / 6.0);
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    return select(between(x, T(-3.0f), T(3.0f)), T(1.0 / 6.0), T(0.0f));
  }
  ValueRange range() const { return ValueRange::between(0, 1); }
};

/// x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019); at both kinks the derivative is that outside.
struct HardSwishFunction {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    const T inside = x * ((x + T(3.0f)) * T(1.0 / 6.0));
    return select(x <= T(-3.0f), T(0.0f), select(x >= T(3.0f), x, inside));
  }
  ValueRange range() const { return ValueRange::above(-0.375); }
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
