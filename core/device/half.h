// bfloat16 and float16 as storage types, the same type in plain C++, in kernels on the host and
// under nvcc. Arithmetic happens in float: both convert implicitly to float and explicitly from it,
// rounding to nearest even, bit for bit as CUDA's conversions do (NaN becomes 0x7fff).
#pragma once

#include <bit>
#include <cstdint>

#include "core/device/hd.h"

#if defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#elif defined(__F16C__)
#define ADJOINT_F16C  // the processor converts float16
#endif

namespace adjoint {

namespace half_bits {

#if defined(ADJOINT_F16C)
// By the compilers' builtins: immintrin.h, which wraps them, would cost every source a third of a
// second.
using Floats [[gnu::vector_size(16)]] = float;
using Shorts [[gnu::vector_size(16)]] = short;

inline std::uint16_t float16_by_processor(float value) {
  constexpr int kToNearestEven = 0;
  return std::uint16_t(__builtin_ia32_vcvtps2ph(Floats{value, 0, 0, 0}, kToNearestEven)[0]);
}

inline float float_by_processor(std::uint16_t half) {
  return __builtin_ia32_vcvtph2ps(Shorts{short(half), 0, 0, 0, 0, 0, 0, 0})[0];
}
#endif

ADJOINT_HD std::uint16_t bfloat16_from_float(float value) {
  const std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  // A select rather than a branch, so that loops of conversions vectorise.
  return (bits & 0x7fffffffu) > 0x7f800000u ? std::uint16_t{0x7fff} : std::uint16_t(rounded);
}

ADJOINT_HD float bfloat16_to_float(std::uint16_t bits) {
  return __builtin_bit_cast(float, std::uint32_t(bits) << 16);
}

ADJOINT_HD std::uint16_t float16_from_float(float value) {
  std::uint32_t bits = __builtin_bit_cast(std::uint32_t, value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  bits &= 0x7fffffffu;
  if (bits > 0x7f800000u) return 0x7fff;
  if (bits >= 0x477ff000u)
    return std::uint16_t(sign | 0x7c00u);  // 65520 and above round to infinity
  if (bits < 0x38800000u) {
    // Subnormal result: adding 0.5, whose unit in the last place is the smallest float16, lets the
    // floating-point unit do the rounding.
    const float shifted = __builtin_bit_cast(float, bits) + 0.5f;
    return std::uint16_t(sign | (__builtin_bit_cast(std::uint32_t, shifted) - 0x3f000000u));
  }
  bits += 0xc8000fffu + ((bits >> 13) & 1u);  // rebias the exponent by 15 - 127 and round to even
  return std::uint16_t(sign | (bits >> 13));
}

ADJOINT_HD float float16_to_float(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 31u;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 31u) return __builtin_bit_cast(float, sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0u) {
    const float magnitude = __builtin_bit_cast(float, 0x3f000000u | mantissa) - 0.5f;
    return __builtin_bit_cast(float, __builtin_bit_cast(std::uint32_t, magnitude) | sign);
  }
  return __builtin_bit_cast(float, sign | ((exponent + 112u) << 23) | (mantissa << 13));
}

}  // namespace half_bits

/// Brain floating point: the upper 16 bits of a float32 (8 bits of exponent, 7 of mantissa).
struct alignas(2) bfloat16 {
  std::uint16_t bits;

  bfloat16() = default;
  ADJOINT_HD explicit bfloat16(float value) : bits(round(value)) {}
  // Assigning without a temporary object lets `omp simd` loops vectorise.
  ADJOINT_HD bfloat16& operator=(float value) {
    bits = round(value);
    return *this;
  }
  ADJOINT_HD operator float() const { return half_bits::bfloat16_to_float(bits); }

  static ADJOINT_HD std::uint16_t round(float value) {
#if defined(__CUDA_ARCH__)
    return __bfloat16_as_ushort(__float2bfloat16_rn(value));
#else
    return half_bits::bfloat16_from_float(value);
#endif
  }
};

/// IEEE 754 binary16: 5 bits of exponent, 10 of mantissa.
struct alignas(2) float16 {
  std::uint16_t bits;

  float16() = default;
  ADJOINT_HD explicit float16(float value) : bits(round(value)) {}
  ADJOINT_HD float16& operator=(float value) {
    bits = round(value);
    return *this;
  }
  ADJOINT_HD operator float() const {
#if defined(__CUDA_ARCH__)
    return __half2float(__ushort_as_half(bits));
#elif defined(ADJOINT_F16C)
    return half_bits::float_by_processor(bits);
#else
    return half_bits::float16_to_float(bits);
#endif
  }

  static ADJOINT_HD std::uint16_t round(float value) {
#if defined(__CUDA_ARCH__)
    return __half_as_ushort(__float2half_rn(value));
#elif defined(ADJOINT_F16C)
    return value != value ? std::uint16_t{0x7fff} : half_bits::float16_by_processor(value);
#else
    return half_bits::float16_from_float(value);
#endif
  }
};

}  // namespace adjoint
