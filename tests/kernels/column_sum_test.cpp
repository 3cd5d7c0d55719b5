// Column sums against float64, flat and tall enough for two kernels.
#include "kernels/column_sum.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using ColumnSumTest = KernelTest<T>;
TYPED_TEST_SUITE(ColumnSumTest, FloatingTypes);

TYPED_TEST(ColumnSumTest, MatchesReferenceInAllModes) {
  using T = TypeParam;
  using A = Accumulate<T>;
  for (auto [rows, cols] : {std::pair{0, 5}, {1, 1}, {7, 33}, {128, 512}, {129, 10}, {1000, 72}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", cols));
      const auto values = random_values<T>(std::size_t(rows * cols), 3);
      std::vector<double> want(static_cast<std::size_t>(cols), 0.0);
      const std::vector<double> elements = to_double(values);
      for (std::size_t i = 0; i < elements.size(); ++i) want[i % std::size_t(cols)] += elements[i];
      const DeviceVector<T> x(this->context, values, variant.offset);
      const TensorType type = column_sum_scratch(rows, cols, kDTypeOf<T>);
      const DeviceVector<A> scratch(this->context, std::size_t(type.shape.count()));
      const DeviceVector<T> out(this->context, std::size_t(cols), variant.offset);
      const auto run = [&](GradientMode mode) {
        column_sum(this->context.stream(), {out.tensor({cols}), mode}, x.tensor({rows, cols}),
                   scratch.tensor(type.shape));
        return out.download();
      };
      ADJOINT_EXPECT_CLOSE(run(GradientMode::overwrite), want, tolerance(kDTypeOf<T>));
      // Only where there are many blocks: new workers are dear under ThreadSanitizer.
      if (rows * cols > 50000 && variant.offset == 0) {
        const auto one = with_workers(1, [&] { return run(GradientMode::overwrite); });
        EXPECT_TRUE(same_bits(one, with_workers(2, [&] { return run(GradientMode::overwrite); })));
      }
      for (double& value : want) value *= 2;
      ADJOINT_EXPECT_CLOSE(run(GradientMode::accumulate), want, 2 * tolerance(kDTypeOf<T>));

      const DeviceVector<float> wide(this->context, std::size_t(cols));
      column_sum(this->context.stream(), {wide.tensor({cols}), GradientMode::overwrite},
                 x.tensor({rows, cols}), scratch.tensor(type.shape));
      for (double& value : want) value /= 2;
      ADJOINT_EXPECT_CLOSE(wide.download(), want, 1e-6);
    });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
