// RMSNorm against a naive float64 reference, with its modes and aliases.
#include "kernels/rms_norm.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using RmsNormTest = KernelTest<T>;
TYPED_TEST_SUITE(RmsNormTest, FloatingTypes);

struct Reference {
  std::vector<double> y, dx, weight_grad;
};

Reference reference(std::int64_t rows, std::int64_t cols, const std::vector<double>& x,
                    const std::vector<double>& dy, const std::vector<double>& weight,
                    double epsilon) {
  Reference result{x, x, std::vector<double>(std::size_t(cols))};
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto at = [&](std::int64_t i) { return std::size_t(r * cols + i); };
    double square = 0, product = 0;
    for (std::int64_t i = 0; i < cols; ++i) square += x[at(i)] * x[at(i)] / double(cols);
    const double scale = 1 / std::sqrt(square + epsilon);
    for (std::int64_t i = 0; i < cols; ++i)
      product += dy[at(i)] * weight[std::size_t(i)] * x[at(i)] * scale / double(cols);
    for (std::int64_t i = 0; i < cols; ++i) {
      const double xhat = x[at(i)] * scale, w = weight[std::size_t(i)];
      result.y[at(i)] = xhat * w;
      result.dx[at(i)] = scale * (dy[at(i)] * w - xhat * product);
      result.weight_grad[std::size_t(i)] += dy[at(i)] * xhat;
    }
  }
  return result;
}

template <class T>
void expect_rms_norm(Context& context, std::int64_t rows, std::int64_t cols) {
  using A = Accumulate<T>;
  const double epsilon = 1e-3, allowed = 4 * tolerance(kDTypeOf<T>);
  for_each_variant([&](const Variant& variant) {
    if (variant.gpu_blocks && rows * cols > 16000 && variant.offset == 1) return;
    SCOPED_TRACE(str(rows, " x ", cols));
    Stream& stream = context.stream();
    const auto n = std::size_t(rows * cols), m = std::size_t(cols);
    const auto x_values = random_values<T>(n, 1, 2.0), dy_values = random_values<T>(n, 2);
    const auto weight_values = random_values<T>(m, 3);
    const Reference want = reference(rows, cols, to_double(x_values), to_double(dy_values),
                                     to_double(weight_values), epsilon);
    const DeviceVector<T> x(context, x_values, variant.offset);
    const DeviceVector<T> dy(context, dy_values, variant.offset);
    const DeviceVector<T> weight(context, weight_values, variant.offset);
    const DeviceVector<T> y(context, n, variant.offset), dx(context, n, variant.offset);
    const DeviceVector<T> weight_grad(context, m, variant.offset);
    const DeviceVector<A> rrms(context, std::size_t(rows));
    const TensorType scratch_type = rms_norm_scratch(rows, cols, kDTypeOf<T>);
    const DeviceVector<A> scratch(context, std::size_t(scratch_type.shape.count()));
    const Shape shape{rows, cols};
    rms_norm_forward(stream, y.tensor(shape), rrms.tensor({rows}), x.tensor(shape),
                     weight.tensor({cols}), epsilon);
    ADJOINT_EXPECT_CLOSE(y.download(), want.y, allowed);
    const auto backward = [&](const Tensor& to, GradientMode mode, GradientMode weight_mode) {
      rms_norm_backward(stream, {.dx = {to, mode},
                                 .weight_grad = {weight_grad.tensor({cols}), weight_mode},
                                 .x = x.tensor(shape),
                                 .dy = dy.tensor(shape),
                                 .weight = weight.tensor({cols}),
                                 .rrms = rrms.tensor({rows}),
                                 .scratch = scratch.tensor(scratch_type.shape)});
      return std::pair(dx.download(), weight_grad.download());
    };
    const auto run = [&] {
      return backward(dx.tensor(shape), GradientMode::overwrite, GradientMode::overwrite);
    };
    const auto [first, first_weight] = with_workers(1, run);
    const auto [second, second_weight] = with_workers(2, run);
    EXPECT_TRUE(same_bits(first, second) && same_bits(first_weight, second_weight));
    // With one column dx is a difference of nearly equal numbers.
    if (cols > 1) {
      ADJOINT_EXPECT_CLOSE(first, want.dx, allowed);
    }
    ADJOINT_EXPECT_CLOSE(first_weight, want.weight_grad, allowed);
    const auto [twice, twice_weight] =
        backward(dx.tensor(shape), GradientMode::accumulate, GradientMode::accumulate);
    std::vector<double> doubled = to_double(first), doubled_weight = to_double(first_weight);
    for (double& value : doubled) value *= 2;
    for (double& value : doubled_weight) value *= 2;
    ADJOINT_EXPECT_CLOSE(twice, doubled, allowed);
    ADJOINT_EXPECT_CLOSE(twice_weight, doubled_weight, allowed);
    // Alone, and over dy with the weight's.
    backward(Tensor(), GradientMode::none, GradientMode::overwrite);
    EXPECT_TRUE(same_bits(weight_grad.download(), first_weight));
    backward(dy.tensor(shape), GradientMode::overwrite, GradientMode::overwrite);
    EXPECT_TRUE(same_bits(dy.download(), first));
    EXPECT_TRUE(same_bits(weight_grad.download(), first_weight));
  });
}

TYPED_TEST(RmsNormTest, MatchesReference) {
  for (auto [rows, cols] : kNormShapes) expect_rms_norm<TypeParam>(this->context, rows, cols);
}

// Numbers whose squares overflow, and one row of small ones.
TYPED_TEST(RmsNormTest, StandsLargeNumbers) {
  using T = TypeParam;
  using A = Accumulate<T>;
  Context& context = this->context;
  Stream& stream = context.stream();
  const double unit = sizeof(T) == 8 ? 0x1p900 : kDTypeOf<T> == DType::float16 ? 0x1p13 : 0x1p120;
  const double allowed = 4 * tolerance(kDTypeOf<T>);
  for (std::int64_t cols : {4, 24, 800, 20000})
    for_each_variant([&, cols = cols](const Variant& variant) {
      SCOPED_TRACE(str(cols, " columns"));
      const auto n = std::size_t(3 * cols), m = std::size_t(cols);
      const Shape shape{3, cols};
      // Rows of plus or minus 1 to 4, the first and last times the unit.
      std::vector<double> small = to_double(random_values<T>(n, 1)), large(n);
      for (double& value : small) value = value < 0 ? -1 + std::max(value, -3.0) : 1;
      small = to_double(from_double<T>(small));
      const auto row_unit = [&](std::size_t i) { return std::int64_t(i) / cols == 1 ? 1.0 : unit; };
      for (std::size_t i = 0; i < n; ++i) large[i] = small[i] * row_unit(i);
      const auto dy_values = random_values<T>(n, 2), weight_values = random_values<T>(m, 3);
      const Reference want =
          reference(3, cols, small, to_double(dy_values), to_double(weight_values), 1e-12);
      const DeviceVector<T> x(context, from_double<T>(large), variant.offset);
      const DeviceVector<T> dy(context, dy_values, variant.offset);
      const DeviceVector<T> weight(context, weight_values, variant.offset);
      const DeviceVector<T> y(context, n, variant.offset), dx(context, n, variant.offset);
      const DeviceVector<T> weight_grad(context, m);
      const DeviceVector<A> rrms(context, 3);
      const TensorType scratch_type = rms_norm_scratch(3, cols, kDTypeOf<T>);
      const DeviceVector<A> scratch(context, std::size_t(scratch_type.shape.count()));
      rms_norm_forward(stream, y.tensor(shape), rrms.tensor({3}), x.tensor(shape),
                       weight.tensor({cols}), 1e-12);
      rms_norm_backward(stream,
                        {.dx = {dx.tensor(shape), GradientMode::overwrite},
                         .weight_grad = {weight_grad.tensor({cols}), GradientMode::overwrite},
                         .x = x.tensor(shape),
                         .dy = dy.tensor(shape),
                         .weight = weight.tensor({cols}),
                         .rrms = rrms.tensor({3}),
                         .scratch = scratch.tensor(scratch_type.shape)});
      ADJOINT_EXPECT_CLOSE(y.download(), want.y, allowed);
      ADJOINT_EXPECT_CLOSE(weight_grad.download(), want.weight_grad, allowed);
      std::vector<double> scaled = to_double(dx.download());
      for (std::size_t i = 0; i < n; ++i) scaled[i] *= row_unit(i);
      if (kDTypeOf<T> != DType::float16) {  // whose small gradients round
        EXPECT_LE(relative_error(scaled, want.dx), allowed);
      }
    });
}

TEST(RmsNorm, ValuesOfLargeAndTinyNumbers) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const float largest = std::numeric_limits<float>::max();
  const DeviceVector<float> x(
      context, std::vector<float>{1e30f, 1e30f, 1e30f, -1e30f, largest, largest, -largest, largest,
                                  1e-30f, 1e-30f, 0, 0, 0, 0, 0, 0});
  const DeviceVector<float> weight(context, std::vector<float>{1, 1, 1, 1}), y(context, 16);
  const DeviceVector<float> rrms(context, 4);
  for (const double epsilon : {1e-5, 1e-60}) {  // the second is 0 in float32
    rms_norm_forward(context.stream(), y.tensor({4, 4}), rrms.tensor({4}), x.tensor({4, 4}),
                     weight.tensor({4}), epsilon);
    const std::vector<double> want = {1, 1, 1, -1, 1, 1, -1, 1};
    const std::vector<float> got = y.download();
    for (std::size_t i = 0; i < 8; ++i) EXPECT_LE(std::abs(double(got[i]) - want[i]), 1e-6) << i;
    for (std::size_t i = 12; i < 16; ++i) EXPECT_EQ(got[i], 0);
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
