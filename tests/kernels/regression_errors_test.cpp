// Sums of errors against float64, added over two batches.
#include "kernels/regression_errors.h"

#include "base/expect_error.h"
#include "kernel_test.h"

namespace adjoint::inline ADJOINT_BACKEND {
namespace {

template <class T>
using RegressionErrorsTest = KernelTest<T>;
TYPED_TEST_SUITE(RegressionErrorsTest, FloatingTypes);

TYPED_TEST(RegressionErrorsTest, AddsOverBatches) {
  using T = TypeParam;
  for (const auto& [rows, outputs] : {std::pair{1, 1}, {300, 1}, {64, 5}, {1000, 3}, {0, 2}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", outputs));
      const auto count = static_cast<std::size_t>(rows * outputs);
      const auto predictions = random_values<T>(count, 3);
      const auto targets = random_values<float>(count, 4);
      const DeviceVector<T> prediction(this->context, predictions, variant.offset);
      const DeviceVector<float> target(this->context, targets, variant.offset);
      const DeviceVector<RegressionSums> sums(
          this->context, std::vector<RegressionSums>(static_cast<std::size_t>(outputs)));
      for (int batch = 0; batch < 2; ++batch)
        regression_errors(this->context.stream(), prediction.tensor({rows, outputs}),
                          target.tensor({rows, outputs}), sums.data());
      const std::vector<double> p = to_double(predictions);
      std::vector<double> want(static_cast<std::size_t>(4 * outputs)), found;
      for (std::size_t i = 0; i < count; ++i) {
        double* const to = want.data() + 4 * (i % std::size_t(outputs));
        const double error = p[i] - targets[i];
        to[0] += 2 * std::abs(error);
        to[1] += 2 * error * error;
        to[2] += 2 * double(targets[i]);
        to[3] += 2 * double(targets[i]) * targets[i];
      }
      for (const RegressionSums& of : sums.download())
        found.insert(found.end(), {of.absolute, of.squared, of.target, of.target_squared});
      ADJOINT_EXPECT_CLOSE(found, want, 1e-12);
    });
}

TYPED_TEST(RegressionErrorsTest, RefusesOtherShapes) {
  const DeviceVector<float> x(this->context, 12);
  const DeviceVector<RegressionSums> sums(this->context, 3);
  test::expect_error(
      [&] {
        regression_errors(this->context.stream(), x.tensor({4, 3}), x.tensor({3, 4}), sums.data());
      },
      {"regression_errors: prediction"});
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
