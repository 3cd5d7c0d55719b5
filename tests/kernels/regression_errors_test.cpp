// Sums of errors against float64, added over two batches.
#include "kernels/regression_errors.h"

#include "kernel_test.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
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
      std::vector<double> want(static_cast<std::size_t>(5 * outputs)), found;
      for (std::size_t i = 0; i < count; ++i) {
        double* const to = want.data() + 5 * (i % std::size_t(outputs));
        const double error = p[i] - targets[i];
        to[0] += 2 * std::abs(error);
        to[1] += 2 * error * error;
        to[2] += 2;
        to[3] += double(targets[i]) / rows;
      }
      for (std::size_t i = 0; i < count; ++i) {
        double* const to = want.data() + 5 * (i % std::size_t(outputs));
        to[4] += 2 * (targets[i] - to[3]) * (targets[i] - to[3]);
      }
      for (const RegressionSums& of : sums.download())
        found.insert(found.end(), {of.absolute, of.squared, of.count, of.mean, of.spread});
      ADJOINT_EXPECT_CLOSE(found, want, 1e-12);
    });
}

// Targets of +-8 around a mean of 1e8, and equal ones: sums of squares would keep nothing of
// either. Batches of other sizes, whose means differ.
TYPED_TEST(RegressionErrorsTest, FarFromZeroTheSpreadKeepsItsDigits) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    const DeviceVector<RegressionSums> sums(this->context, std::vector<RegressionSums>(2));
    for (const std::int64_t rows : {1, 300, 699}) {
      std::vector<float> targets;
      for (std::int64_t i = 0; i < rows; ++i)
        targets.insert(targets.end(), {(i + rows) % 2 == 0 ? 100000008.0f : 99999992.0f, 0.1f});
      const DeviceVector<float> target(this->context, targets, variant.offset);
      const DeviceVector<T> prediction(this->context, std::vector<T>(targets.size()),
                                       variant.offset);
      regression_errors(this->context.stream(), prediction.tensor({rows, 2}),
                        target.tensor({rows, 2}), sums.data());
    }
    const std::vector<RegressionSums> found = sums.download();
    EXPECT_EQ(found[0].count, 1000);
    // 499 above and 501 below.
    EXPECT_NEAR(found[0].mean, 1e8 - 16.0 / 1000, 1e-7);
    EXPECT_NEAR(found[0].spread, 64 * 1000 - 16.0 * 16 / 1000, 1e-4);
    EXPECT_EQ(found[1].mean, double(0.1f));
    EXPECT_EQ(found[1].spread, 0);
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
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
