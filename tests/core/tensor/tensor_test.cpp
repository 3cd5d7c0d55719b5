#include "core/tensor/tensor.h"

#include <gtest/gtest.h>

#include <array>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

class TensorTest : public testing::Test {
 protected:
  std::array<float, 24> elements_{};
  Tensor tensor_{elements_.data(), DType::float32, {2, 3, 4}};
};

TEST_F(TensorTest, IsRowMajorUnlessToldOtherwise) {
  EXPECT_EQ(tensor_.stride(0), 12);
  EXPECT_EQ(tensor_.stride(1), 4);
  EXPECT_EQ(tensor_.stride(-1), 1);
  EXPECT_TRUE(tensor_.contiguous());
  EXPECT_EQ(tensor_.bytes(), 96u);
  EXPECT_EQ(str(tensor_.type()), "float32 [2, 3, 4]");
  expect_error([&] { tensor_.stride(3); }, {"axis 3", "[2, 3, 4]"});

  const std::array<std::int64_t, 2> transposed{1, 4};
  const Tensor view(elements_.data(), DType::float32, {4, 6}, transposed);
  EXPECT_FALSE(view.contiguous());
  expect_error([&] { view.reshaped({24}); }, {"only contiguous"});
  expect_error([&] { Tensor(elements_.data(), DType::float32, {4}, transposed); },
               {"expected 1 strides", "got 2"});
}

TEST_F(TensorTest, ExtentsOfOneAndNoElementsAreAlwaysWithoutGaps) {
  const std::array<std::int64_t, 2> strides{999, 1};
  EXPECT_TRUE(Tensor(elements_.data(), DType::float32, {1, 4}, strides).contiguous());
  EXPECT_TRUE(Tensor(elements_.data(), DType::float32, {0, 4}, strides).contiguous());
  EXPECT_FALSE(Tensor(elements_.data(), DType::float32, {2, 4}, strides).contiguous());
}

TEST_F(TensorTest, ViewsShareTheirElements) {
  const Tensor flat = tensor_.reshaped({24});
  EXPECT_EQ(flat.data(), elements_.data());
  expect_error([&] { tensor_.reshaped({23}); }, {"float32 [2, 3, 4]", "[23]"});
  EXPECT_EQ(tensor_.as_matrix().shape(), (Shape{6, 4}));
  EXPECT_EQ(Tensor(elements_.data(), DType::float32, {}).as_matrix().shape(), (Shape{1, 1}));
  EXPECT_EQ(Tensor(elements_.data(), DType::float32, {5, 0}).as_matrix().shape(), (Shape{5, 0}));
  EXPECT_EQ(tensor_.first(1).shape(), (Shape{1, 3, 4}));
  EXPECT_EQ(tensor_.first(0).count(), 0);
  for (const std::int64_t count : {3, -1})
    expect_error([&] { tensor_.first(count); }, {"cannot take the first"});
}

TEST_F(TensorTest, GivesItsElementsOnlyAsTheirType) {
  EXPECT_EQ(tensor_.data<float>(), elements_.data());
  expect_error([&] { tensor_.data<double>(); }, {"expected float64", "got float32"});
  EXPECT_FALSE(Tensor().defined());
  expect_error([] { Tensor().data<float>(); }, {"undefined tensor"});
}

}  // namespace
}  // namespace adjoint
