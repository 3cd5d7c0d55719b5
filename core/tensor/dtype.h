// Element types of tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/device/half.h"

namespace adjoint {

enum class DType : std::uint8_t { float32, float64, bfloat16, float16, int32, uint8 };

/// Bytes of one element.
std::size_t size_of(DType dtype);

/// "float32", "bfloat16", ...
std::string_view name(DType dtype);

/// The type of that name; throws Error naming the nearest one where there is none.
DType dtype_from_name(std::string_view name);

/// float32, float64, bfloat16 and float16: what kernels compute on and gradients exist for.
bool is_floating(DType dtype);

/// What kernels accumulate in: float64 for float64, float32 for the other floating types.
DType accumulation_type(DType dtype);

template <class T>
inline constexpr DType kDTypeOf = [] { static_assert(sizeof(T) == 0, "not an element type"); }();
template <>
inline constexpr DType kDTypeOf<float> = DType::float32;
template <>
inline constexpr DType kDTypeOf<double> = DType::float64;
template <>
inline constexpr DType kDTypeOf<bfloat16> = DType::bfloat16;
template <>
inline constexpr DType kDTypeOf<float16> = DType::float16;
template <>
inline constexpr DType kDTypeOf<std::int32_t> = DType::int32;
template <>
inline constexpr DType kDTypeOf<std::uint8_t> = DType::uint8;

}  // namespace adjoint
