// Softmax and its logarithm against float64, forward and backward, for logits of any size.
#include "kernels/softmax.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using SoftmaxTest = KernelTest<T>;
TYPED_TEST_SUITE(SoftmaxTest, FloatingTypes);

/// Rows of y from x, or of dx from y as it was rounded.
struct Reference {
  std::int64_t rows, cols;
  bool logarithm;

  std::vector<double> forward(const std::vector<double>& x) const {
    std::vector<double> y(x.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* const from = x.data() + r * cols;
      double largest = -INFINITY, z = 0;
      for (std::int64_t i = 0; i < cols; ++i) largest = std::max(largest, from[i]);
      for (std::int64_t i = 0; i < cols; ++i) z += std::exp(from[i] - largest);
      for (std::int64_t i = 0; i < cols; ++i)
        y[std::size_t(r * cols + i)] =
            logarithm ? from[i] - largest - std::log(z) : std::exp(from[i] - largest) / z;
    }
    return y;
  }
  std::vector<double> backward(const std::vector<double>& y, const std::vector<double>& dy) const {
    std::vector<double> dx(y.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      double sum = 0;
      for (std::size_t i = std::size_t(r * cols); i < std::size_t((r + 1) * cols); ++i)
        sum += logarithm ? dy[i] : dy[i] * y[i];
      for (std::size_t i = std::size_t(r * cols); i < std::size_t((r + 1) * cols); ++i)
        dx[i] = logarithm ? dy[i] - std::exp(y[i]) * sum : y[i] * (dy[i] - sum);
    }
    return dx;
  }
};

TYPED_TEST(SoftmaxTest, MatchesReference) {
  using T = TypeParam;
  Stream& stream = this->context.stream();
  const double allowed = 2 * tolerance(kDTypeOf<T>);
  // Widths of each form of Row, in packs of 16 bits and of 32.
  for (auto [rows, cols] : {std::pair{1, 1},
                            {0, 5},
                            {3, 7},
                            {5, 64},
                            {2, 1032},
                            {1, 2048},
                            {2, 4097},
                            {1, 8200},
                            {1, 9000}})
    for (SoftmaxForm form : {SoftmaxForm::plain, SoftmaxForm::logarithm})
      for_each_variant([&](const Variant& variant) {
        SCOPED_TRACE(str(rows, " x ", cols));
        const Shape shape{rows, cols};
        const Reference reference{rows, cols, form == SoftmaxForm::logarithm};
        const std::size_t n = std::size_t(rows * cols);
        const auto x_values = random_values<T>(n, 1, 3.0), dy_values = random_values<T>(n, 2);
        const DeviceVector<T> x(this->context, x_values, variant.offset);
        const DeviceVector<T> y(this->context, n, variant.offset);
        const DeviceVector<T> dx(this->context, n, variant.offset);
        const DeviceVector<T> dy(this->context, dy_values, variant.offset);
        softmax_forward(stream, form, y.tensor(shape), x.tensor(shape));
        ADJOINT_EXPECT_CLOSE(y.download(), reference.forward(to_double(x_values)), allowed);
        softmax_forward(stream, form, x.tensor(shape), x.tensor(shape));
        EXPECT_TRUE(same_bits(x.download(), y.download()));
        std::vector<double> want =
            reference.backward(to_double(y.download()), to_double(dy_values));
        softmax_backward(stream, form, {dx.tensor(shape), GradientMode::overwrite}, y.tensor(shape),
                         dy.tensor(shape));
        if (cols > 1) {  // else 0 - 0
          ADJOINT_EXPECT_CLOSE(dx.download(), want, allowed);
        }
        const auto once = to_double(dx.download());
        softmax_backward(stream, form, {dx.tensor(shape), GradientMode::accumulate},
                         y.tensor(shape), dy.tensor(shape));
        for (std::size_t i = 0; i < n; ++i) want[i] = 2 * once[i];
        ADJOINT_EXPECT_CLOSE(dx.download(), want, allowed);
        softmax_backward(stream, form, {dy.tensor(shape), GradientMode::overwrite}, y.tensor(shape),
                         dy.tensor(shape));
        ADJOINT_EXPECT_CLOSE(dy.download(), once, 1e-30);
        softmax_backward(stream, form, {Tensor(), GradientMode::none}, y.tensor(shape),
                         dy.tensor(shape));
      });
}

TEST(Softmax, IsSafeForElementsOfAnySize) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> x(context, std::vector<float>{1e30f, -1e30f, 3e4f, 3e4f, -INFINITY, 5});
  const DeviceVector<float> y(context, 6);
  softmax_forward(context.stream(), SoftmaxForm::plain, y.tensor({3, 2}), x.tensor({3, 2}));
  EXPECT_EQ(y.download(), (std::vector<float>{1, 0, 0.5f, 0.5f, 0, 1}));
  softmax_forward(context.stream(), SoftmaxForm::logarithm, y.tensor({3, 2}), x.tensor({3, 2}));
  EXPECT_EQ(y.download()[1], -2e30f);
  EXPECT_EQ(y.download()[5], 0.0f);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
