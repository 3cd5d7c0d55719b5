// Casts between all floating types, rounded once to nearest even.
#include "kernels/cast.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using CastTest = KernelTest<T>;
TYPED_TEST_SUITE(CastTest, FloatingTypes);

template <class From, class To>
void expect_cast(Context& context) {
  for (std::size_t n : {0, 1, 17, 5000})
    for_each_variant([&](const Variant& variant) {
      const auto values = random_values<From>(n, 7, 10.0);
      const DeviceVector<From> x(context, values, variant.offset);
      const DeviceVector<To> y(context, n, variant.offset);
      const Shape shape{std::int64_t(n)};
      cast(context.stream(), y.tensor(shape), x.tensor(shape), 0.5f);
      std::vector<To> want;
      for (From value : values) want.push_back(To(Accumulate<To>(Accumulate<From>(0.5f) * value)));
      EXPECT_TRUE(same_bits(y.download(), want))
          << name(kDTypeOf<From>) << " to " << name(kDTypeOf<To>);
    });
}

TYPED_TEST(CastTest, RoundsOnce) {
  expect_cast<TypeParam, float>(this->context);
  expect_cast<TypeParam, double>(this->context);
  expect_cast<TypeParam, bfloat16>(this->context);
  expect_cast<TypeParam, float16>(this->context);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
