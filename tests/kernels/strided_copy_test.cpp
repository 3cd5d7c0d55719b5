// Strided copies against loops over indices: slices, permutations, broadcasts, sizes of one and
// zero; and the prepared divisors below them.
#include "kernels/strided_copy.h"

#include "kernel_test.h"
#include "kernels/divisor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using StridedCopyTest = KernelTest<T>;
TYPED_TEST_SUITE(StridedCopyTest, FloatingTypes);

/// Calls function(to offset, from offset) for all elements.
template <class Function>
void for_elements(const Tensor& to, const Tensor& from, const Function& function) {
  const Shape& shape = to.shape();
  for (std::int64_t i = 0; i < shape.count(); ++i) {
    std::int64_t rest = i, to_offset = 0, from_offset = 0;
    for (int a = shape.rank() - 1; a >= 0; --a) {
      to_offset += rest % shape[a] * to.stride(a);
      from_offset += rest % shape[a] * from.stride(a);
      rest /= shape[a];
    }
    function(to_offset, from_offset);
  }
}

/// Copies between views of two tensors of these shapes, then adds, and compares all memory of `to`,
/// what lies between its elements included.
template <class T, class ToView, class FromView>
void expect_copied(Context& context, const Shape& to_shape, const ToView& to_view,
                   const Shape& from_shape, const FromView& from_view) {
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(to_shape, " from ", from_shape));
    const auto to_values = random_values<T>(std::size_t(to_shape.count()), 1);
    const auto from_values = random_values<T>(std::size_t(from_shape.count()), 2);
    const DeviceVector<T> to(context, to_values, variant.offset);
    const DeviceVector<T> from(context, from_values, variant.offset);
    const Tensor to_part = to_view(to.tensor(to_shape));
    const Tensor from_part = from_view(from.tensor(from_shape));
    const std::int64_t to_first = to_part.data<T>() - to.data();
    const std::int64_t from_first = from_part.data<T>() - from.data();
    std::vector<double> want = to_double(to_values);
    const auto exact = to_double(from_values);
    const auto step = [&](GradientMode mode, double scale) {
      strided_copy(context.stream(), {to_part, mode}, from_part, scale);
      for_elements(to_part, from_part, [&](std::int64_t t, std::int64_t f) {
        double& element = want[std::size_t(to_first + t)];
        const double value = scale * exact[std::size_t(from_first + f)];
        element = mode == GradientMode::accumulate ? element + value : value;
      });
      ADJOINT_EXPECT_CLOSE(to.download(), want, 2 * tolerance(kDTypeOf<T>));
    };
    strided_copy(context.stream(), {to_part, GradientMode::none}, from_part);
    EXPECT_TRUE(same_bits(to.download(), to_values));
    step(GradientMode::overwrite, 1.0);
    step(GradientMode::accumulate, 0.25);
  });
}

const auto kWhole = [](const Tensor& tensor) { return tensor; };

TYPED_TEST(StridedCopyTest, CopiesSlices) {
  using T = TypeParam;
  for (auto [axis, begin, extent] :
       {std::tuple{0, 1, 2}, {1, 3, 4}, {2, 8, 16}, {2, 5, 1}, {1, 0, 9}, {0, 0, 0}}) {
    const Shape shape{3, 9, 40};
    const auto part = [&](const Tensor& tensor) { return slice_of(tensor, axis, begin, extent); };
    expect_copied<T>(this->context, shape, part, shape.with(axis, extent), kWhole);
    expect_copied<T>(this->context, shape.with(axis, extent), kWhole, shape, part);
  }
}

TYPED_TEST(StridedCopyTest, Permutes) {
  using T = TypeParam;
  const Shape shape{2, 3, 5, 70};
  for (const std::vector<int>& axes :
       {std::vector{0, 1, 3, 2}, {0, 2, 1, 3}, {3, 2, 1, 0}, {0, 3, 1, 2}, {2, 0, 3, 1}}) {
    const auto view = [&](const Tensor& tensor) { return permuted(tensor, axes); };
    expect_copied<T>(this->context, view(Tensor(nullptr, kDTypeOf<T>, shape)).shape(), kWhole,
                     shape, view);
  }
  expect_copied<T>(this->context, {1, 1}, kWhole, {1, 1}, [](const Tensor& tensor) {
    return permuted(tensor, {1, 0});
  });
  expect_copied<T>(this->context, {33, 129}, kWhole, {129, 33}, [](const Tensor& tensor) {
    return permuted(tensor, {1, 0});
  });
}

TYPED_TEST(StridedCopyTest, Broadcasts) {
  using T = TypeParam;
  for (int axis : {0, 1, 2})
    expect_copied<T>(this->context,
                     axis == 0   ? Shape{9, 5, 32}
                     : axis == 1 ? Shape{5, 9, 32}
                                 : Shape{5, 32, 9},
                     kWhole, {5, 32},
                     [axis](const Tensor& tensor) { return broadcast_along(tensor, axis, 9); });
}

TEST(StridedCopy, SaysWhatDoesNotFit) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> x(context, 12);
  const Tensor tensor = x.tensor({3, 4});
  EXPECT_THROW(strided_copy(context.stream(), {tensor, GradientMode::overwrite}, x.tensor({4, 3})),
               Error);
  EXPECT_THROW(slice_of(tensor, 1, 2, 3), Error);
  EXPECT_THROW(slice_of(tensor, 2, 0, 1), Error);
  EXPECT_THROW(permuted(tensor, {0}), Error);
}

TEST(Divisor, DividesAllNumbersBelowTwoToThe31) {
  for (std::uint32_t divisor : {1u, 2u, 3u, 7u, 10u, 641u, 65535u, 65536u, 65537u, 1000003u,
                                (1u << 30) + 1u, (1u << 31) - 1u}) {
    const Divisor prepared(divisor);
    for (std::uint32_t n : {0u, 1u, divisor - 1, divisor, 12345u, 999999999u, (1u << 31) - 1u})
      EXPECT_EQ(prepared.quotient(n), n / divisor) << n << " / " << divisor;
    for (std::uint64_t n = 0; n < (1u << 31); n += 104729 + divisor / 64)
      ASSERT_EQ(prepared.quotient(std::uint32_t(n)), std::uint32_t(n) / divisor);
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
