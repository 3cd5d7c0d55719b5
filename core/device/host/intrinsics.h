// CUDA's arithmetic intrinsics and math functions that C++ lacks. Those with a rounding in their
// name are exactly that; the fast-math ones (__expf and its like) round as the GPU's tables do,
// which nothing here reproduces, so using one does not compile.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "core/device/host/language.h"

// Vector variants of glibc's math functions (libmvec, at most 4 units in the last place) without
// -ffast-math, so that loops that call them vectorise. Declared for those that exist since
// glibc 2.35.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#if __GLIBC_PREREQ(2, 35)
extern "C" {
#define ADJOINT_VECTOR_MATH(name, type) \
  __attribute__((simd("notinbranch"), const, nothrow)) type name(type)
ADJOINT_VECTOR_MATH(expf, float);
ADJOINT_VECTOR_MATH(exp2f, float);
ADJOINT_VECTOR_MATH(expm1f, float);
ADJOINT_VECTOR_MATH(logf, float);
ADJOINT_VECTOR_MATH(log1pf, float);
ADJOINT_VECTOR_MATH(tanhf, float);
ADJOINT_VECTOR_MATH(erff, float);
ADJOINT_VECTOR_MATH(sinf, float);
ADJOINT_VECTOR_MATH(cosf, float);
ADJOINT_VECTOR_MATH(exp, double);
ADJOINT_VECTOR_MATH(log, double);
ADJOINT_VECTOR_MATH(tanh, double);
ADJOINT_VECTOR_MATH(erf, double);
#undef ADJOINT_VECTOR_MATH
}
#endif
#endif

template <class T>
__forceinline__ T __ldg(const T* address) {
  return *address;
}
template <class T>
__forceinline__ T __ldcs(const T* address) {
  return *address;
}
template <class T>
__forceinline__ T __ldcg(const T* address) {
  return *address;
}
template <class T>
__forceinline__ void __stcs(T* address, std::type_identity_t<T> value) {
  *address = value;
}
template <class T>
__forceinline__ void __stcg(T* address, std::type_identity_t<T> value) {
  *address = value;
}

#if !defined(__GLIBC__) || !__GLIBC_PREREQ(2, 42)  // which has them, as C23 does
static __forceinline__ float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
static __forceinline__ double rsqrt(double x) { return 1.0 / std::sqrt(x); }
#endif

// A product of its own: the compiler may not fuse it with a sum around it.
#if defined(__clang__)
#define ADJOINT_ROUNDED(value) __arithmetic_fence(value)
#else
#define ADJOINT_ROUNDED(value) __builtin_assoc_barrier(value)
#endif
static __forceinline__ float __fadd_rn(float a, float b) { return ADJOINT_ROUNDED(a + b); }
static __forceinline__ float __fsub_rn(float a, float b) { return ADJOINT_ROUNDED(a - b); }
static __forceinline__ float __fmul_rn(float a, float b) { return ADJOINT_ROUNDED(a * b); }
static __forceinline__ float __fdiv_rn(float a, float b) { return a / b; }
static __forceinline__ float __fmaf_rn(float a, float b, float c) { return std::fma(a, b, c); }
static __forceinline__ float __frcp_rn(float a) { return 1.0f / a; }
static __forceinline__ float __fsqrt_rn(float a) { return std::sqrt(a); }
static __forceinline__ double __dadd_rn(double a, double b) { return ADJOINT_ROUNDED(a + b); }
static __forceinline__ double __dmul_rn(double a, double b) { return ADJOINT_ROUNDED(a * b); }
static __forceinline__ double __ddiv_rn(double a, double b) { return a / b; }
static __forceinline__ double __fma_rn(double a, double b, double c) { return std::fma(a, b, c); }
#undef ADJOINT_ROUNDED
/// Clamps to [0, 1]; NaN becomes 0.
static __forceinline__ float __saturatef(float a) {
  return a > 0.0f ? (a < 1.0f ? a : 1.0f) : 0.0f;
}

static __forceinline__ int __float_as_int(float x) { return std::bit_cast<int>(x); }
static __forceinline__ unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
static __forceinline__ float __int_as_float(int x) { return std::bit_cast<float>(x); }
static __forceinline__ float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
static __forceinline__ long long __double_as_longlong(double x) {
  return std::bit_cast<long long>(x);
}
static __forceinline__ double __longlong_as_double(long long x) { return std::bit_cast<double>(x); }
static __forceinline__ int __popc(unsigned x) { return std::popcount(x); }
static __forceinline__ int __popcll(unsigned long long x) { return std::popcount(x); }
static __forceinline__ int __clz(int x) { return std::countl_zero(unsigned(x)); }
static __forceinline__ int __clzll(long long x) { return std::countl_zero((unsigned long long)x); }
static __forceinline__ int __ffs(int x) { return x == 0 ? 0 : std::countr_zero(unsigned(x)) + 1; }
static __forceinline__ unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned((std::uint64_t(a) * b) >> 32);
}
static __forceinline__ unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  return (unsigned long long)((static_cast<unsigned __int128>(a) * b) >> 64);
}
/// Rounds to nearest even and clamps to the range of int; NaN becomes 0.
static __forceinline__ int __float2int_rn(float x) {
  if (!(x > -2147483648.0f)) return x != x ? 0 : -2147483647 - 1;
  return x >= 2147483648.0f ? 2147483647 : int(std::nearbyint(x));
}

template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) static constexpr auto min(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(b) < T(a) ? T(b) : T(a);
}
template <class A, class B>
requires(std::is_arithmetic_v<A>&& std::is_arithmetic_v<B>) static constexpr auto max(A a, B b) {
  using T = std::common_type_t<A, B>;
  return T(a) < T(b) ? T(b) : T(a);
}

// glibc declares some of these itself, so they can only be macros, defined after <cmath>.
template <class... Arguments>
__attribute__((
    error("fast-math intrinsics are not emulated on the host: use expf, logf, sinf, a / b"))) float
fast_math_is_not_on_the_host(Arguments...);
#define __expf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __exp10f(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __logf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __log2f(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __log10f(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __powf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __sinf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __cosf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __tanf(...) fast_math_is_not_on_the_host(__VA_ARGS__)
#define __fdividef(...) fast_math_is_not_on_the_host(__VA_ARGS__)
