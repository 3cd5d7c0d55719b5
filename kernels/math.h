// Elementary functions for kernels. On the GPU they are CUDA's. On the host, float32 functions are
// polynomials of our own, accurate to two units in the last place: calls into libm do not
// vectorise, and vector libraries give an element at the end of a row other bits than one in its
// middle. float64, the checking type, always uses libm.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/device/hd.h"
#include "core/device/kernel.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

#if !defined(__CUDACC__)
namespace polynomial {

inline constexpr float kLargest = std::numeric_limits<float>::max();

/// c0 + c1 x + ..., by Horner's rule. The build does not contract products and sums by itself. A
/// recursion, not a loop over an array, which would keep its callers from vectorising.
inline float horner(float, float c) { return c; }
template <class... Rest>
inline float horner(float x, float c, Rest... rest) {
  return __builtin_fmaf(horner(x, rest...), x, c);
}

/// x where the condition holds, else 0: by masks, which cost a third of a blend of two vectors.
inline float keep_if(bool condition, float x) {
  return __builtin_bit_cast(float, __builtin_bit_cast(std::int32_t, x) & -std::int32_t(condition));
}

/// e^x = 2^n e^r, |r| <= ln 2 / 2, by its two factors.
struct ExpFactors {
  float e;
  std::int32_t n;
};

/// n is at most `largest`, above the range of float32: e is then what is left, 1 or more.
inline ExpFactors exp_factors(float x, std::int32_t largest) {
  // Adding 1.5 2^23 leaves the rounded integer in the lowest bits of the sum. They are bounded as
  // integers, x is not, so that NaN stays.
  constexpr std::int32_t kShift = 0x4b400000;
  const auto bits = __builtin_bit_cast(std::int32_t, __builtin_fmaf(x, 1.44269504f, 12582912.0f));
  const std::int32_t shifted = bits < kShift + largest ? bits : kShift + largest;
  const float n = __builtin_bit_cast(float, shifted) - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693145752f, x);  // ln 2 in two parts
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  return {horner(r, 1.0f, 1.0f, 0.500000003f, 0.166665766f, 4.16663744e-2f, 8.36323508e-3f,
                 1.39411910e-3f),
          shifted - kShift};
}

inline float power_of_two(std::int32_t n) { return __builtin_bit_cast(float, (n + 127) << 23); }

/// Results below 2^-126 are subnormal, above the range infinite. What is 0 is never computed: some
/// processors take a hundred times as long for a product that underflows.
inline float exp(float x) {
  const bool any = !(x < -104.0f);
  const auto [e, n] = exp_factors(keep_if(any, x), 129);
  const std::int32_t half = n >> 1;  // for n beyond the exponents of normal numbers
  return keep_if(any, e * power_of_two(half) * power_of_two(n - half));
}

/// 1 + e^x, without what of e^x the sum does not show.
inline float one_plus_exp(float x) {
  const bool any = !(x < -86.0f);
  const auto [e, n] = exp_factors(keep_if(any, x), 128);
  return 1.0f + keep_if(any, (e + e) * power_of_two(n - 1));
}

inline float tanh(float x) {
  const float magnitude = x < 0.0f ? -x : x;
  const float square = x * x;
  const float small = __builtin_fmaf(x * square,
                                     horner(square, -3.33333291e-1f, 1.33327748e-1f,
                                            -5.38510247e-2f, 2.09955032e-2f, -6.09186350e-3f),
                                     x);
  const float large = 1.0f - 2.0f / (exp(magnitude + magnitude) + 1.0f);
  return magnitude < 0.625f ? small : (x < 0.0f ? -large : large);
}

/// x P(x^2) near zero; 1 - e^Q(x) where erf bends, and 1 beyond 4.
inline float erf(float x) {
  const float magnitude = x < 0.0f ? -x : x;
  const float square = x * x;
  const float small =
      __builtin_fmaf(x * square,
                     horner(square, -3.76126389e-1f, 1.12837903e-1f, -2.68659510e-2f,
                            5.22263519e-3f, -8.50900869e-4f, 1.14558518e-4f, -1.02304527e-5f),
                     x * 1.12837917f);
  const float bounded = magnitude > 4.0f ? 4.0f : magnitude;
  const float large =
      1.0f - exp(horner(bounded, 1.09096460e-4f, -1.12913578f, -6.34300643e-1f, -1.06911495e-1f,
                        2.38862096e-2f, -3.44826097e-3f, 1.59218238e-4f, 4.44952968e-5f,
                        -8.86452816e-6f, 5.16982130e-7f));
  const float result = magnitude < 1.0f ? small : (x < 0.0f ? -large : large);
  return x != x ? x : result;
}

/// e^x - 1 = 2^n (e^r - 1) + (2^n - 1), |r| <= ln 2 / 2, computed at half its size so that 2^n is
/// finite wherever the result is. -1 below -30.
inline float expm1(float x) {
  x = x > 89.0f ? 89.0f : x;
  x = x < -30.0f ? -30.0f : x;
  const float shifted = __builtin_fmaf(x, 1.44269504f, 12582912.0f);
  const float n = shifted - 12582912.0f;
  float r = __builtin_fmaf(n, -0.693145752f, x);
  r = __builtin_fmaf(n, -1.42860677e-6f, r);
  const float tail =
      horner(r, 0.166666663f, 4.16664827e-2f, 8.33341961e-3f, 1.39332445e-3f, 1.98241291e-4f);
  const float e = __builtin_fmaf(r * r, __builtin_fmaf(r, tail, 0.5f), r);
  const std::int32_t whole = __builtin_bit_cast(std::int32_t, shifted) - 0x4b400000;
  const float half = __builtin_bit_cast(float, (whole + 126) << 23);  // 2^(n - 1)
  return 2.0f * __builtin_fmaf(half, e, half - 0.5f);
}

/// log(1 + x) = k ln 2 + log(1 + f), 1 + f in [sqrt(1/2), sqrt(2)), with what rounding 1 + x lost
/// put back.
inline float log1p(float x) {
  const float u = 1.0f + x;
  // The exponent of u / sqrt(1/2) is that of u, rounded so that the rest lies around 1.
  // Unsigned, so that u below 0, whose result is not used, wraps instead of overflowing.
  const auto bits = static_cast<std::int32_t>(__builtin_bit_cast(std::uint32_t, u) - 0x3f3504f3u);
  const std::int32_t exponent = bits >> 23;
  const float k = float(exponent);
  const float reduced = __builtin_bit_cast(float, (bits & 0x007fffff) + 0x3f3504f3) - 1.0f;
  const float f = exponent == 0 ? x : reduced;
  const float lost = exponent == 0 ? 0.0f : (x - (u - 1.0f)) / u;
  const float tail =
      horner(f, 0.333333126f, -0.250000096f, 0.200021187f, -0.16667996f, 0.142195521f,
             -0.124055883f, 0.118881638f, -0.116756568f, 6.74664336e-2f);
  const float square = f * f;
  const float small = __builtin_fmaf(square, __builtin_fmaf(f, tail, -0.5f),
                                     __builtin_fmaf(k, 1.42860677e-6f, lost));
  const float result = __builtin_fmaf(k, 0.693145752f, f + small);
  const float limit = x > kLargest ? x : x == -1.0f ? -__builtin_inff() : __builtin_nanf("");
  return x > -1.0f && x <= kLargest ? result : limit;
}

/// log((1 + s) / (1 - s)) = 2 s + s^3 P(s^2), s = z / (2 + z): P by Chebyshev approximation for
/// s^2 up to 1/9, that of log() below for up to 0.0295.
inline float log1p_unit(float z) {
  const float s = z / (2.0f + z);
  const float square = s * s;
  const float tail =
      square * horner(square, 0.666666687f, 0.399997026f, 0.285925835f, 0.217033148f, 0.232390508f);
  return __builtin_fmaf(s, tail, s + s);
}

/// log(x) = k ln 2 + log(m), m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1).
inline float log(float x) {
  const bool subnormal = x < 1.17549435e-38f;
  const float normal = subnormal ? x * 8388608.0f : x;
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, normal) - 0x3f3504f3u;
  const float k = float((static_cast<std::int32_t>(bits) >> 23) - (subnormal ? 23 : 0));
  const float m = __builtin_bit_cast(float, (bits & 0x007fffffu) + 0x3f3504f3u);
  const float s = (m - 1.0f) / (m + 1.0f);
  const float square = s * s;
  const float tail =
      square * horner(square, 0.666666687f, 0.400001228f, 0.285507798f, 0.233313963f);
  const float small = __builtin_fmaf(s, tail, k * 1.42860677e-6f);
  const float result = __builtin_fmaf(k, 0.693145752f, s + s + small);
  const float limit = x == 0.0f ? -__builtin_inff() : x > 0.0f ? x : __builtin_nanf("");
  return x > 0.0f && x <= kLargest ? result : limit;
}

}  // namespace polynomial

inline float exp(float x) { return polynomial::exp(x); }
inline float one_plus_exp(float x) { return polynomial::one_plus_exp(x); }
inline float tanh(float x) { return polynomial::tanh(x); }
inline float erf(float x) { return polynomial::erf(x); }
inline float expm1(float x) { return polynomial::expm1(x); }
inline float log(float x) { return polynomial::log(x); }
inline float log1p(float x) { return polynomial::log1p(x); }
/// log(1 + z) for z in [0, 1]: without the search for an exponent.
inline float log1p_unit(float z) { return polynomial::log1p_unit(z); }
#else
ADJOINT_HD float exp(float x) { return ::expf(x); }
ADJOINT_HD float one_plus_exp(float x) { return 1.0f + ::expf(x); }
ADJOINT_HD float tanh(float x) { return ::tanhf(x); }
ADJOINT_HD float erf(float x) { return ::erff(x); }
ADJOINT_HD float expm1(float x) { return ::expm1f(x); }
ADJOINT_HD float log(float x) { return ::logf(x); }
ADJOINT_HD float log1p(float x) { return ::log1pf(x); }
ADJOINT_HD float log1p_unit(float z) { return ::log1pf(z); }
#endif

ADJOINT_HD float sqrt(float x) { return ::sqrtf(x); }
ADJOINT_HD float pow(float x, float y) { return ::powf(x, y); }
ADJOINT_HD double exp(double x) { return ::exp(x); }
ADJOINT_HD double one_plus_exp(double x) { return 1.0 + ::exp(x); }
ADJOINT_HD double tanh(double x) { return ::tanh(x); }
ADJOINT_HD double erf(double x) { return ::erf(x); }
ADJOINT_HD double expm1(double x) { return ::expm1(x); }
ADJOINT_HD double log1p(double x) { return ::log1p(x); }
ADJOINT_HD double log1p_unit(double z) { return ::log1p(z); }
ADJOINT_HD double log(double x) { return ::log(x); }
ADJOINT_HD double sqrt(double x) { return ::sqrt(x); }
ADJOINT_HD double pow(double x, double y) { return ::pow(x, y); }

/// Squares of numbers beyond 10^19 (in float64 10^154) overflow. Sums of squares that did are taken
/// again of the numbers times this, a power of two, which leaves them finite and rounds nothing.
template <class A>
inline constexpr A kReduction = sizeof(A) == 8 ? A(0x1p-768) : A(0x1p-96);

/// True for NaN as well.
template <class A>
ADJOINT_HD bool overflowed(A sum_of_squares) {
  return !(sum_of_squares <= std::numeric_limits<A>::max());
}

/// What is added to a variance before its root, in A: not 0, which float32 makes of numbers below
/// 10^-45.
template <class A>
A positive_epsilon(double epsilon) {
  const A least = std::numeric_limits<A>::min();
  return A(epsilon) > least ? A(epsilon) : least;
}

/// 1 / (1 + e^-x), for plain and dual numbers; finite for all x.
template <class T>
ADJOINT_HD T sigmoid(T x) {
  return T(1.0f) / one_plus_exp(-x);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
