#include "core/tensor/shape.h"

#include <gtest/gtest.h>

#include "core/base/error.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

TEST(Shape, CountsItsElements) {
  EXPECT_EQ(Shape().count(), 1) << "a scalar";
  EXPECT_EQ(Shape().rank(), 0);
  EXPECT_EQ(Shape({2, 3, 4}).count(), 24);
  EXPECT_EQ(Shape({2, 0, 4}).count(), 0);
  EXPECT_EQ(Shape({1, 1, 1, 1, 1, 1, 1, 8}).count(), 8);
  EXPECT_EQ(str(Shape{128, 784}), "[128, 784]");
  EXPECT_EQ(str(Shape()), "[]");
}

TEST(Shape, AxesCountFromEitherEnd) {
  const Shape shape{2, 3, 5};
  EXPECT_EQ(shape[0], 2);
  EXPECT_EQ(shape[-1], 5);
  EXPECT_EQ(shape[-3], 2);
  for (const int axis : {3, -4}) expect_error([&] { shape[axis]; }, {"axis", "rank 3"});
  expect_error([] { Shape()[0]; }, {"rank 0"});
}

TEST(Shape, EqualsByExtentsAlone) {
  EXPECT_EQ((Shape{2, 3}), (Shape{2, 3}));
  EXPECT_NE((Shape{2, 3}), (Shape{3, 2}));
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_NE((Shape{0, 3}), (Shape{3, 0}));
  EXPECT_EQ((Shape{2, 3}.with(-1, 7)), (Shape{2, 7}));
  expect_error([] { Shape({2}).with(1, 3); }, {"axis 1"});
}

TEST(Shape, RefusesWhatCannotBeCounted) {
  expect_error([] { Shape({2, -1}); }, {"zero or more", "-1"});
  expect_error([] { Shape({1, 1, 1, 1, 1, 1, 1, 1, 1}); }, {"at most 8", "9"});
  constexpr std::int64_t kLarge = std::int64_t{1} << 32;
  EXPECT_EQ(Shape({kLarge, kLarge / 4}).count(), std::int64_t{1} << 62);
  expect_error([] { Shape({kLarge, kLarge / 2}); }, {"2^63 - 1"});
  expect_error([] { Shape({kLarge, kLarge, 0}); }, {"2^63 - 1"});
}

}  // namespace
}  // namespace adjoint
