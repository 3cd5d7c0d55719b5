#include "core/tensor/dtype.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

constexpr DType kAll[] = {DType::float32, DType::float64, DType::bfloat16,
                          DType::float16, DType::int32,   DType::uint8};

TEST(DType, NamesReadBack) {
  for (const DType dtype : kAll) EXPECT_EQ(dtype_from_name(name(dtype)), dtype);
  EXPECT_EQ(name(DType::bfloat16), "bfloat16");
  expect_error([] { dtype_from_name("bfloat"); }, {"bfloat", "bfloat16"});
  expect_error([] { dtype_from_name(""); }, {"float32"});
}

TEST(DType, SizesAreThoseOfTheTypes) {
  EXPECT_EQ(size_of(kDTypeOf<float>), sizeof(float));
  EXPECT_EQ(size_of(kDTypeOf<double>), sizeof(double));
  EXPECT_EQ(size_of(kDTypeOf<bfloat16>), 2u);
  EXPECT_EQ(size_of(kDTypeOf<float16>), 2u);
  EXPECT_EQ(size_of(kDTypeOf<std::int32_t>), 4u);
  EXPECT_EQ(size_of(kDTypeOf<std::uint8_t>), 1u);
}

TEST(DType, OnlyFloatingTypesAreAccumulated) {
  for (const DType dtype : kAll) {
    const bool whole = dtype == DType::int32 || dtype == DType::uint8;
    EXPECT_EQ(is_floating(dtype), !whole) << name(dtype);
    if (!whole) {
      EXPECT_EQ(accumulation_type(dtype),
                dtype == DType::float64 ? DType::float64 : DType::float32);
    }
  }
}

}  // namespace
}  // namespace adjoint
