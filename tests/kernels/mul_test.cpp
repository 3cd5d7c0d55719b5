// The product of two tensors: values, modes, aliases.
#include "kernels/mul.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using MulTest = KernelTest<T>;
TYPED_TEST_SUITE(MulTest, FloatingTypes);

TYPED_TEST(MulTest, MatchesReference) {
  using T = TypeParam;
  Stream& stream = this->context.stream();
  for (std::size_t n : {0, 1, 7, 2048, 5003})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(n);
      const Shape shape{std::int64_t(n)};
      const auto a_values = random_values<T>(n, 1), b_values = random_values<T>(n, 2);
      std::vector<double> want = to_double(a_values);
      for (std::size_t i = 0; i < n; ++i) want[i] *= to_double(b_values)[i];
      const DeviceVector<T> a(this->context, a_values, variant.offset);
      const DeviceVector<T> b(this->context, b_values), y(this->context, n, variant.offset);
      const double allowed = tolerance(kDTypeOf<T>);
      mul(stream, {y.tensor(shape), GradientMode::overwrite}, a.tensor(shape), b.tensor(shape));
      ADJOINT_EXPECT_CLOSE(y.download(), want, allowed);
      mul(stream, {y.tensor(shape), GradientMode::none}, a.tensor(shape), b.tensor(shape));
      mul(stream, {y.tensor(shape), GradientMode::accumulate}, a.tensor(shape), b.tensor(shape));
      for (double& value : want) value *= 2;
      ADJOINT_EXPECT_CLOSE(y.download(), want, 2 * allowed);
      mul(stream, {a.tensor(shape), GradientMode::overwrite}, a.tensor(shape), b.tensor(shape));
      for (double& value : want) value /= 2;
      ADJOINT_EXPECT_CLOSE(a.download(), want, allowed);
    });
}

TEST(Mul, SaysWhatDoesNotFit) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> a(context, 6);
  EXPECT_THROW(mul(context.stream(), {a.tensor({6}), GradientMode::overwrite}, a.tensor({6}),
                   a.tensor({2, 3})),
               Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
