// LayerNorm against a naive float64 reference, with its residual form, its modes and its aliases.
#include "kernels/layer_norm.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using LayerNormTest = KernelTest<T>;
TYPED_TEST_SUITE(LayerNormTest, FloatingTypes);

/// The definition, row by row, in float64.
struct Reference {
  std::int64_t rows, cols;
  std::vector<double> x, dy, weight, bias;
  double epsilon = 1e-5;
  std::vector<double> y, dx, weight_grad, bias_grad;

  void run() {
    y.assign(x.size(), 0);
    dx = y;
    weight_grad.assign(std::size_t(cols), 0);
    bias_grad = weight_grad;
    const double n = double(cols);
    for (std::int64_t r = 0; r < rows; ++r) {
      const double* const row = x.data() + r * cols;
      double mean = 0, variance = 0, c1 = 0, c2 = 0;
      for (std::int64_t i = 0; i < cols; ++i) mean += row[i] / n;
      for (std::int64_t i = 0; i < cols; ++i) variance += (row[i] - mean) * (row[i] - mean) / n;
      const double rstd = 1 / std::sqrt(variance + epsilon);
      const auto xhat = [&](std::int64_t i) { return (row[i] - mean) * rstd; };
      for (std::int64_t i = 0; i < cols; ++i) {
        const double d = dy[std::size_t(r * cols + i)], g = d * weight[std::size_t(i)];
        y[std::size_t(r * cols + i)] = xhat(i) * weight[std::size_t(i)] + bias[std::size_t(i)];
        weight_grad[std::size_t(i)] += d * xhat(i);
        bias_grad[std::size_t(i)] += d;
        c1 += g / n;
        c2 += g * xhat(i) / n;
      }
      for (std::int64_t i = 0; i < cols; ++i)
        dx[std::size_t(r * cols + i)] =
            rstd * (dy[std::size_t(r * cols + i)] * weight[std::size_t(i)] - c1 - xhat(i) * c2);
    }
  }
};

/// Operands on the device for one shape, and their reference.
template <class T>
struct Case {
  using A = Accumulate<T>;
  Context& context;
  std::int64_t rows, cols;
  std::size_t n = std::size_t(rows * cols), m = std::size_t(cols);
  std::vector<T> x_values = random_values<T>(n, 1, 2.0), dy_values = random_values<T>(n, 2);
  std::vector<T> weight_values = random_values<T>(m, 3), bias_values = random_values<T>(m, 4);
  std::size_t offset;
  DeviceVector<T> x{context, x_values, offset}, dy{context, dy_values, offset};
  DeviceVector<T> weight{context, weight_values, offset}, bias{context, bias_values, offset};
  DeviceVector<T> y{context, n, offset}, dx{context, n, offset};
  DeviceVector<A> mean{context, std::size_t(rows)}, rstd{context, std::size_t(rows)};
  DeviceVector<T> weight_grad{context, m, offset}, bias_grad{context, m, offset};
  TensorType scratch_type = layer_norm_scratch(rows, cols, kDTypeOf<T>);
  DeviceVector<A> scratch{context, std::size_t(scratch_type.shape.count())};

  Reference reference() const {
    Reference result{rows,
                     cols,
                     to_double(x_values),
                     to_double(dy_values),
                     to_double(weight_values),
                     to_double(bias_values),
                     1e-5,
                     {},
                     {},
                     {},
                     {}};
    result.run();
    return result;
  }
  LayerNormForward forward() const {
    return {.y = y.tensor({rows, cols}),
            .mean = mean.tensor({rows}),
            .rstd = rstd.tensor({rows}),
            .x = x.tensor({rows, cols}),
            .addend = {},
            .sum = {},
            .weight = weight.tensor({cols}),
            .bias = bias.tensor({cols})};
  }
  LayerNormBackward backward(GradientMode mode) const {
    return {.dx = {dx.tensor({rows, cols}), mode},
            .weight_grad = {weight_grad.tensor({cols}), mode},
            .bias_grad = {bias_grad.tensor({cols}), mode},
            .x = x.tensor({rows, cols}),
            .dy = dy.tensor({rows, cols}),
            .extra = {},
            .weight = weight.tensor({cols}),
            .mean = mean.tensor({rows}),
            .rstd = rstd.tensor({rows}),
            .scratch = scratch.tensor(scratch_type.shape)};
  }
};

TYPED_TEST(LayerNormTest, MatchesReference) {
  const double allowed = tolerance(kDTypeOf<TypeParam>);
  for (auto [rows, cols] : kNormShapes)
    for_each_variant([&](const Variant& variant) {
      if (variant.gpu_blocks && rows * cols > 16000 && variant.offset == 1) return;
      SCOPED_TRACE(str(rows, " x ", cols));
      Case<TypeParam> c{
          .context = this->context, .rows = rows, .cols = cols, .offset = variant.offset};
      const Reference want = c.reference();
      layer_norm_forward(this->context.stream(), c.forward());
      layer_norm_backward(this->context.stream(), c.backward(GradientMode::overwrite));
      ADJOINT_EXPECT_CLOSE(c.y.download(), want.y, allowed);
      // With one column dx is a difference of equal numbers.
      if (cols > 1) {
        ADJOINT_EXPECT_CLOSE(c.dx.download(), want.dx, 4 * allowed);
        ADJOINT_EXPECT_CLOSE(c.weight_grad.download(), want.weight_grad, 2 * allowed);
      }
      ADJOINT_EXPECT_CLOSE(c.bias_grad.download(), want.bias_grad, allowed);
    });
}

TYPED_TEST(LayerNormTest, AddsResidualInTheSamePass) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{.context = this->context, .rows = 5, .cols = 96, .offset = variant.offset};
    const auto addend = random_values<TypeParam>(c.n, 9);
    const DeviceVector<TypeParam> b(this->context, addend, variant.offset);
    std::vector<double> sum = to_double(c.x_values);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += to_double(addend)[i];
    LayerNormForward call = c.forward();
    call.addend = b.tensor({5, 96});
    call.sum = b.tensor({5, 96});  // over the addend
    layer_norm_forward(this->context.stream(), call);
    ADJOINT_EXPECT_CLOSE(b.download(), sum, tolerance(kDTypeOf<TypeParam>));
    c.x_values = b.download();  // the rounded sum is what is normalised
    ADJOINT_EXPECT_CLOSE(c.y.download(), c.reference().y, tolerance(kDTypeOf<TypeParam>));
  });
}

TYPED_TEST(LayerNormTest, HonoursModesAndExtra) {
  const double allowed = 4 * tolerance(kDTypeOf<TypeParam>);
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{.context = this->context, .rows = 7, .cols = 48, .offset = variant.offset};
    const Reference want = c.reference();
    layer_norm_forward(this->context.stream(), c.forward());
    const auto ones = from_double<TypeParam>(std::vector<double>(c.n, 1.0));
    const auto few_ones = from_double<TypeParam>(std::vector<double>(c.m, 1.0));
    const auto plus_one = [](std::vector<double> values) {
      for (double& value : values) value += 1;
      return values;
    };
    c.dx.upload(ones);
    c.weight_grad.upload(few_ones);
    c.bias_grad.upload(few_ones);
    layer_norm_backward(this->context.stream(), c.backward(GradientMode::accumulate));
    ADJOINT_EXPECT_CLOSE(c.dx.download(), plus_one(want.dx), allowed);
    ADJOINT_EXPECT_CLOSE(c.weight_grad.download(), plus_one(want.weight_grad), allowed);
    ADJOINT_EXPECT_CLOSE(c.bias_grad.download(), plus_one(want.bias_grad), allowed);

    // dx over dy, with an extra gradient, without parameters.
    const DeviceVector<TypeParam> extra(this->context, ones, variant.offset);
    LayerNormBackward call = c.backward(GradientMode::overwrite);
    call.dx.tensor = call.dy;
    call.extra = extra.tensor({7, 48});
    call.weight_grad.mode = call.bias_grad.mode = GradientMode::none;
    layer_norm_backward(this->context.stream(), call);
    ADJOINT_EXPECT_CLOSE(c.dy.download(), plus_one(want.dx), allowed);

    // Parameters alone.
    c.dy.upload(c.dy_values);
    call = c.backward(GradientMode::overwrite);
    call.dx.mode = GradientMode::none;
    layer_norm_backward(this->context.stream(), call);
    ADJOINT_EXPECT_CLOSE(c.weight_grad.download(), want.weight_grad, allowed);
    // All at once, dx over dy.
    call = c.backward(GradientMode::overwrite);
    call.dx.tensor = call.dy;
    layer_norm_backward(this->context.stream(), call);
    ADJOINT_EXPECT_CLOSE(c.dy.download(), want.dx, allowed);
    ADJOINT_EXPECT_CLOSE(c.weight_grad.download(), want.weight_grad, allowed);
  });
}

TYPED_TEST(LayerNormTest, SumsParametersOfNoRows) {
  Case<TypeParam> c{.context = this->context, .rows = 0, .cols = 24, .offset = 0};
  c.weight_grad.upload(c.weight_values);
  layer_norm_forward(this->context.stream(), c.forward());
  layer_norm_backward(this->context.stream(), c.backward(GradientMode::overwrite));
  EXPECT_EQ(to_double(c.weight_grad.download()), std::vector<double>(24, 0.0));
}

TYPED_TEST(LayerNormTest, RepeatsBitForBit) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{.context = this->context, .rows = 50, .cols = 64, .offset = variant.offset};
    const auto run = [&] {
      layer_norm_forward(this->context.stream(), c.forward());
      layer_norm_backward(this->context.stream(), c.backward(GradientMode::overwrite));
      return std::tuple(c.y.download(), c.dx.download(), c.weight_grad.download());
    };
    const auto [y, dx, weight_grad] = with_workers(1, run);
    const auto [y2, dx2, weight_grad2] = with_workers(2, run);
    EXPECT_TRUE(same_bits(y, y2) && same_bits(dx, dx2) && same_bits(weight_grad, weight_grad2));
  });
}

// Numbers whose squares overflow, and in between one row of small ones: y as of the row divided by
// its unit, dx divided by that.
TYPED_TEST(LayerNormTest, StandsLargeNumbers) {
  using T = TypeParam;
  const double unit = sizeof(T) == 8 ? 0x1p900 : kDTypeOf<T> == DType::float16 ? 0x1p14 : 0x1p120;
  for (std::int64_t cols : {4, 24, 800, 20000})
    for_each_variant([&, cols = cols](const Variant& variant) {
      SCOPED_TRACE(str(cols, " columns"));
      Case<T> c{.context = this->context, .rows = 3, .cols = cols, .offset = variant.offset};
      std::vector<double> values = to_double(c.x_values), x = values;
      const auto row_unit = [&](std::size_t i) { return std::int64_t(i) / cols == 1 ? 1.0 : unit; };
      for (std::size_t i = 0; i < c.n; ++i)
        values[i] = std::copysign(std::min(std::abs(values[i]), 3.0) + 0.125, values[i]);
      values = to_double(from_double<T>(values));
      for (std::size_t i = 0; i < c.n; ++i) x[i] = values[i] * row_unit(i);
      c.x_values = from_double<T>(values);
      Reference want = c.reference();
      want.epsilon = 1e-12;
      want.run();
      c.x.upload(from_double<T>(x));
      LayerNormForward call = c.forward();
      call.epsilon = 1e-12;
      layer_norm_forward(this->context.stream(), call);
      layer_norm_backward(this->context.stream(), c.backward(GradientMode::overwrite));
      const double allowed = 4 * tolerance(kDTypeOf<T>);
      ADJOINT_EXPECT_CLOSE(c.y.download(), want.y, allowed);
      ADJOINT_EXPECT_CLOSE(c.weight_grad.download(), want.weight_grad, 2 * allowed);
      std::vector<double> dx = to_double(c.dx.download());
      for (std::size_t i = 0; i < c.n; ++i) dx[i] *= row_unit(i);
      if (kDTypeOf<T> != DType::float16) {  // whose small gradients round
        EXPECT_LE(relative_error(dx, want.dx), 4 * allowed);
      }
    });
}

TEST(LayerNorm, ValuesOfLargeNumbers) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  Case<float> c{.context = context, .rows = 4, .cols = 4, .offset = 0};
  c.weight.upload({1, 1, 1, 1});
  c.bias.upload({0, 0, 0, 0});
  const float largest = std::numeric_limits<float>::max();
  c.x.upload({1e30f, 1e30f, 1e30f, -1e30f, largest, largest, largest, largest,  //
              1e-30f, 1e-30f, 1e-30f, -1e-30f, 0, 0, 0, 0});
  layer_norm_forward(context.stream(), c.forward());
  const std::vector<float> y = c.y.download();
  const std::vector<double> want = {0.577350269, 0.577350269, 0.577350269, -1.732050808};
  for (std::size_t i = 0; i < 16; ++i)
    EXPECT_LE(std::abs(double(y[i]) - (i < 4 ? want[i] : 0)), 1e-6) << i;
  // float32 has no such epsilon: 0 would make 0 times infinity of a row of equal numbers.
  LayerNormForward call = c.forward();
  call.epsilon = 1e-60;
  layer_norm_forward(context.stream(), call);
  for (std::size_t i = 12; i < 16; ++i) EXPECT_EQ(c.y.download()[i], 0);
  // An infinite number has no place among others.
  c.x.upload({1, 2, INFINITY, 3, 1, 2, NAN, 3, 0, 0, 0, 0, 0, 0, 0, 0});
  layer_norm_forward(context.stream(), c.forward());
  for (std::size_t i : {2, 6}) EXPECT_TRUE(std::isnan(c.y.download()[i])) << i;
}

TEST(LayerNorm, SaysWhatDoesNotFit) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  Case<float> c{.context = context, .rows = 2, .cols = 8, .offset = 0};
  LayerNormForward call = c.forward();
  call.weight = c.y.tensor({4});
  try {
    layer_norm_forward(context.stream(), call);
    FAIL() << "accepted a weight of 4 for 8 columns";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("weight: expected contiguous float32 [8], got float32 [4]"),
              std::string::npos)
        << error.message();
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
