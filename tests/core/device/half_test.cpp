// bfloat16 and float16: every half to float and back, and floats sampled densely around every
// rounding boundary, against arithmetic in double.
#include "core/device/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace adjoint {
namespace {

/// The value of 16 bits with so many of mantissa, by the definition of IEEE 754.
double value_of(std::uint32_t bits, int mantissa_bits) {
  const int exponent_bits = 15 - mantissa_bits, bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = int(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const double mantissa = double(bits & ((1u << mantissa_bits) - 1));
  const double sign = bits & 0x8000u ? -1.0 : 1.0;
  if (exponent == (1 << exponent_bits) - 1) return mantissa == 0.0 ? sign * INFINITY : NAN;
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign *
         std::ldexp(mantissa + std::ldexp(1.0, mantissa_bits), exponent - bias - mantissa_bits);
}

template <class Half>
void check_all_halves(int mantissa_bits) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    Half half;
    half.bits = std::uint16_t(bits);
    const double expected = value_of(bits, mantissa_bits);
    const float value = half;
    if (std::isnan(expected)) {
      ASSERT_TRUE(std::isnan(value));
      ASSERT_EQ(Half(value).bits, 0x7fff);
    } else {
      ASSERT_EQ(double(value), expected) << bits;
      ASSERT_EQ(std::signbit(value), std::signbit(expected)) << bits;
      ASSERT_EQ(Half(value).bits, bits);
    }
  }
}

/// Floats at, just below and just above the middle between neighbouring halves round to the even or
/// nearer one.
template <class Half>
void check_rounding(int mantissa_bits) {
  const std::uint32_t infinity = ((1u << (15 - mantissa_bits)) - 1) << mantissa_bits;
  for (std::uint32_t bits = 0; bits + 1 < infinity; ++bits) {
    const double low = value_of(bits, mantissa_bits), high = value_of(bits + 1, mantissa_bits);
    const float middle = float(0.5 * (low + high));
    if (double(middle) != 0.5 * (low + high)) continue;  // below the floats' own precision
    const std::uint32_t even = bits & 1 ? bits + 1 : bits;
    for (float sign : {1.0f, -1.0f}) {
      const std::uint32_t minus = sign < 0.0f ? 0x8000u : 0u;
      ASSERT_EQ(Half(sign * middle).bits, even | minus) << bits;
      ASSERT_EQ(Half(sign * std::nextafter(middle, -INFINITY)).bits, bits | minus) << bits;
      ASSERT_EQ(Half(sign * std::nextafter(middle, INFINITY)).bits, (bits + 1) | minus) << bits;
    }
  }
  const double last = value_of(infinity - 1, mantissa_bits),
               before = value_of(infinity - 2, mantissa_bits);
  const float limit =
      float(last + 0.5 * (last - before));  // half a step above the largest rounds to infinity
  ASSERT_EQ(Half(limit).bits, infinity);
  ASSERT_EQ(Half(std::nextafter(limit, 0.0f)).bits, infinity - 1);
  ASSERT_EQ(Half(INFINITY).bits, infinity);
  ASSERT_EQ(Half(-INFINITY).bits, infinity | 0x8000u);
}

TEST(Half, EveryBfloat16) { check_all_halves<bfloat16>(7); }
TEST(Half, EveryFloat16) { check_all_halves<float16>(10); }
TEST(Half, Bfloat16RoundsToNearestEven) { check_rounding<bfloat16>(7); }
TEST(Half, Float16RoundsToNearestEven) { check_rounding<float16>(10); }

// The hardware's conversions of this machine, where used, agree with the portable ones.
TEST(Half, HardwareAgreesWithThePortableConversion) {
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << 32; bits += 1021) {
    const float value = std::bit_cast<float>(std::uint32_t(bits));
    ASSERT_EQ(float16(value).bits, half_bits::float16_from_float(value)) << bits;
  }
}

}  // namespace
}  // namespace adjoint
