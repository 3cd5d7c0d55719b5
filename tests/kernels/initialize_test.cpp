// Initial values: moments of the distributions, bounds, and independence of block shape and place.
#include "kernels/initialize.h"

#include <algorithm>

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using InitializeTest = KernelTest<T>;
TYPED_TEST_SUITE(InitializeTest, FloatingTypes);

struct Moments {
  double mean = 0, deviation = 0, smallest = 0, largest = 0;
};

Moments moments(const std::vector<double>& values) {
  Moments result;
  for (double value : values) result.mean += value / double(values.size());
  for (double value : values)
    result.deviation += (value - result.mean) * (value - result.mean) / double(values.size());
  result.deviation = std::sqrt(result.deviation);
  result.smallest = *std::min_element(values.begin(), values.end());
  result.largest = *std::max_element(values.begin(), values.end());
  return result;
}

TYPED_TEST(InitializeTest, HasTheMomentsOfItsDistribution) {
  constexpr std::int64_t n = 40000;
  const DeviceVector<TypeParam> x(this->context, n);
  const auto draw = [&](Initializer initializer) {
    initialize(this->context.stream(), x.tensor({n}), initializer, 3, 8);
    return moments(to_double(x.download()));
  };
  const double error = 4 / std::sqrt(double(n));
  const Moments uniform = draw(Initializer::uniform(0.5f));
  EXPECT_LE(std::abs(uniform.mean), 0.5 * error);
  EXPECT_LE(std::abs(uniform.deviation - 0.5 / std::sqrt(3.0)), 0.5 * error);
  EXPECT_GE(uniform.smallest, -0.5);
  EXPECT_LE(uniform.largest, 0.5);
  const Moments normal = draw(Initializer::normal(2.0f));
  EXPECT_LE(std::abs(normal.mean), 2 * error);
  EXPECT_LE(std::abs(normal.deviation - 2), 2 * error);
  EXPECT_GE(normal.largest, 6.0);  // four in a hundred thousand lie beyond four deviations
  const Moments truncated = draw(Initializer::truncated_normal(2.0f));
  EXPECT_LE(std::abs(truncated.deviation - 2 * 0.87962566), 2 * error);
  EXPECT_LE(std::max(truncated.largest, -truncated.smallest), 4.0);
  EXPECT_GE(truncated.largest, 3.9);
}

// The products of all rows, or columns, with each other.
TYPED_TEST(InitializeTest, OrthogonalRowsOrColumns) {
  constexpr double kGain = 1.5;
  const auto draw = [&](const Shape& shape, std::uint64_t seed) {
    const DeviceVector<TypeParam> x(this->context, std::size_t(shape.count()));
    initialize(this->context.stream(), x.tensor(shape), Initializer::orthogonal(kGain), seed, 8);
    return x.download();
  };
  const double allowed = sizeof(TypeParam) == 2   ? 2 * tolerance(kDTypeOf<TypeParam>)
                         : sizeof(TypeParam) == 4 ? 1e-5
                                                  : 1e-14;
  for (const Shape& shape : {Shape{40, 90}, Shape{90, 40}, Shape{50, 50}, Shape{17, 3, 2, 4},
                             Shape{1, 7}, Shape{7, 1}, Shape{1, 1}}) {
    const std::int64_t rows = shape[0], cols = shape.count() / rows;
    const std::vector<double> x = to_double(draw(shape, 3));
    const std::int64_t count = std::min(rows, cols), size = std::max(rows, cols);
    const auto at = [&](std::int64_t vector, std::int64_t i) {
      return x[std::size_t(rows <= cols ? vector * cols + i : i * cols + vector)];
    };
    for (std::int64_t a = 0; a < count; ++a)
      for (std::int64_t b = 0; b <= a; ++b) {
        double product = 0;
        for (std::int64_t i = 0; i < size; ++i) product += at(a, i) * at(b, i);
        ASSERT_LE(std::abs(product - (a == b ? kGain * kGain : 0)), kGain * kGain * allowed)
            << shape << ": " << a << ", " << b;
      }
  }
  const std::vector<TypeParam> want = draw({40, 90}, 3);
  for_each_variant([&](const Variant&) { EXPECT_TRUE(same_bits(draw({40, 90}, 3), want)); });
  EXPECT_FALSE(same_bits(draw({40, 90}, 4), want));
  EXPECT_THROW(draw({40}, 3), Error);
}

TYPED_TEST(InitializeTest, FillsWithWhatLiesOnTheDevice) {
  const DeviceVector<float> value(this->context, std::vector<float>{0.375f});
  for (std::size_t n : {0, 1, 4096, 5000})
    for_each_variant([&](const Variant& variant) {
      const DeviceVector<TypeParam> x(this->context, n, variant.offset);
      fill(this->context.stream(), x.tensor({std::int64_t(n)}), value.data());
      EXPECT_EQ(to_double(x.download()), std::vector<double>(n, 0.375));
    });
}

TYPED_TEST(InitializeTest, DependsOnSeedAndPlaceAlone) {
  const auto draw = [&](std::size_t n, std::uint64_t seed, std::uint64_t place) {
    const DeviceVector<TypeParam> x(this->context, n);
    initialize(this->context.stream(), x.tensor({std::int64_t(n)}), Initializer::normal(1.0f), seed,
               place);
    return x.download();
  };
  std::vector<TypeParam> want = draw(5000, 1, 2);
  for_each_variant([&](const Variant&) { EXPECT_TRUE(same_bits(draw(5000, 1, 2), want)); });
  EXPECT_FALSE(same_bits(draw(5000, 1, 3), want));
  EXPECT_FALSE(same_bits(draw(5000, 2, 2), want));
  want.resize(1);
  EXPECT_TRUE(same_bits(draw(1, 1, 2), want));
  EXPECT_EQ(draw(0, 1, 2).size(), 0u);
}

TEST(Initialize, FillsIntegersWithConstants) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<std::int32_t> x(context, 5);
  initialize(context.stream(), x.tensor({5}), Initializer::constant(3.0f), 0, 0);
  EXPECT_EQ(x.download(), std::vector<std::int32_t>(5, 3));
  EXPECT_THROW(initialize(context.stream(), x.tensor({5}), Initializer::normal(1.0f), 0, 0), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
