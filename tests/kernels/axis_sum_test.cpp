// Sums along an axis, as rows and as columns.
#include "kernels/axis_sum.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using AxisSumTest = KernelTest<T>;
TYPED_TEST_SUITE(AxisSumTest, FloatingTypes);

TYPED_TEST(AxisSumTest, MatchesReference) {
  using T = TypeParam;
  for (const Shape& shape :
       {Shape{1, 1, 1}, Shape{3, 5, 1}, Shape{2, 1000, 1}, Shape{3, 0, 4}, Shape{0, 3, 4},
        Shape{2, 7, 5}, Shape{3, 40, 64}, Shape{1, 3, 300}, Shape{70000, 2, 1}, Shape{70000, 2, 3}})
    for_each_variant([&](const Variant& variant) {
      if (variant.gpu_blocks && shape.count() > 100000) return;
      SCOPED_TRACE(str(shape));
      const auto values = random_values<T>(std::size_t(shape.count()), 1);
      std::vector<double> want(std::size_t(shape[0] * shape[2]));
      for (std::int64_t o = 0; o < shape[0]; ++o)
        for (std::int64_t a = 0; a < shape[1]; ++a)
          for (std::int64_t i = 0; i < shape[2]; ++i)
            want[std::size_t(o * shape[2] + i)] +=
                0.5 * double(Accumulate<T>(values[std::size_t((o * shape[1] + a) * shape[2] + i)]));
      const DeviceVector<T> x(this->context, values, variant.offset);
      const DeviceVector<T> y(this->context, want.size(), variant.offset);
      const auto run = [&] {
        axis_sum(this->context.stream(), y.tensor({shape[0], shape[2]}), x.tensor(shape), 0.5);
        return y.download();
      };
      ADJOINT_EXPECT_CLOSE(run(), want, 2 * tolerance(kDTypeOf<T>));
      EXPECT_TRUE(same_bits(with_workers(1, run), with_workers(2, run)));
    });
}

TEST(AxisSum, SaysWhatDoesNotFit) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> x(context, 24);
  EXPECT_THROW(axis_sum(context.stream(), x.tensor({2, 3}), x.tensor({2, 3, 4}), 1.0), Error);
  EXPECT_THROW(axis_sum(context.stream(), x.tensor({6}), x.tensor({6, 4}), 1.0), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
