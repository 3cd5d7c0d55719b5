// Addition and gradient contributions, exact in every type.
#include "kernels/add.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using AddTest = KernelTest<T>;
TYPED_TEST_SUITE(AddTest, FloatingTypes);

TYPED_TEST(AddTest, AddsAlsoInPlaceAndMixedAlignment) {
  using T = TypeParam;
  for (std::size_t n : {0, 1, 7, 64, 1000, 9001})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(n, " elements"));
      const auto a_values = random_values<T>(n, 1), b_values = random_values<T>(n, 2);
      std::vector<T> want = a_values;
      for (std::size_t i = 0; i < n; ++i) want[i] = T(Accumulate<T>(a_values[i]) + b_values[i]);
      const Shape shape{std::int64_t(n)};
      const DeviceVector<T> a(this->context, a_values, variant.offset), y(this->context, n);
      const DeviceVector<T> b(this->context, b_values, variant.offset);
      add(this->context.stream(), y.tensor(shape), a.tensor(shape), b.tensor(shape));
      EXPECT_TRUE(same_bits(y.download(), want));
      add(this->context.stream(), a.tensor(shape), a.tensor(shape), b.tensor(shape));
      EXPECT_TRUE(same_bits(a.download(), want));
    });
}

TYPED_TEST(AddTest, ContributesAsTheModeSays) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    constexpr std::int64_t n = 2055;
    const auto dy_values = random_values<T>(n, 1), old_values = random_values<T>(n, 2);
    const DeviceVector<T> dy(this->context, dy_values, variant.offset);
    const DeviceVector<T> dx(this->context, old_values, variant.offset);
    Stream& stream = this->context.stream();
    contribute(stream, {dx.tensor({n}), GradientMode::none}, dy.tensor({n}));
    EXPECT_TRUE(same_bits(dx.download(), old_values));
    contribute(stream, {dx.tensor({n}), GradientMode::overwrite}, dy.tensor({n}));
    EXPECT_TRUE(same_bits(dx.download(), dy_values));
    contribute(stream, {dx.tensor({n}), GradientMode::accumulate}, dy.tensor({n}));
    std::vector<T> twice = dy_values;
    for (T& value : twice) value = T(Accumulate<T>(value) + value);
    EXPECT_TRUE(same_bits(dx.download(), twice));
    // Sums of 16-bit gradients in float32.
    const DeviceVector<float> sum(this->context, std::vector<float>(n, 1.0f), variant.offset);
    contribute(stream, {sum.tensor({n}), GradientMode::accumulate}, dy.tensor({n}));
    std::vector<float> want(n);
    for (std::size_t i = 0; i < want.size(); ++i) want[i] = float(1 + Accumulate<T>(dy_values[i]));
    EXPECT_TRUE(same_bits(sum.download(), want));
  });
}

TEST(Add, PassingOnTheSameMemoryLaunchesNothing) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> dy(context, std::vector<float>(5, 1.0f));
  const auto before = device_counters().launches;
  contribute(context.stream(), {dy.tensor({5}), GradientMode::overwrite}, dy.tensor({5}));
  EXPECT_EQ(device_counters().launches, before);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
