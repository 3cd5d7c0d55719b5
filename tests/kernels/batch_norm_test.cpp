// Batch normalisation against a naive float64 reference: vectors and images, training and
// evaluation, running statistics, modes and aliases.
#include "kernels/batch_norm.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using BatchNormTest = KernelTest<T>;
TYPED_TEST_SUITE(BatchNormTest, FloatingTypes);

struct Reference {
  ChannelShape shape;
  bool training;
  std::vector<double> x, dy, weight, bias, running_mean, running_variance;
  std::vector<double> y = x, dx = x, weight_grad = weight, bias_grad = bias;

  void run(double momentum, double epsilon) {
    const double n = double(shape.count());
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      std::vector<std::size_t> elements;
      for (std::int64_t s = 0; s < shape.samples; ++s)
        for (std::int64_t i = 0; i < shape.inner; ++i)
          elements.push_back(std::size_t((s * shape.channels + c) * shape.inner + i));
      const auto k = std::size_t(c);
      double mean = running_mean[k], variance = running_variance[k];
      if (training) {
        double sum = 0, squares = 0;
        for (std::size_t e : elements) sum += x[e];
        mean = sum / n;
        for (std::size_t e : elements) squares += (x[e] - mean) * (x[e] - mean);
        variance = squares / n;
        running_mean[k] += momentum * (mean - running_mean[k]);
        running_variance[k] += momentum * (squares / (n - 1) - running_variance[k]);
      }
      const double rstd = 1 / std::sqrt(variance + epsilon);
      double sum = 0, product = 0;
      for (std::size_t e : elements) {
        sum += dy[e];
        product += dy[e] * (x[e] - mean) * rstd;
      }
      for (std::size_t e : elements) {
        const double xhat = (x[e] - mean) * rstd;
        y[e] = xhat * weight[k] + bias[k];
        dx[e] = weight[k] * rstd * (training ? dy[e] - sum / n - xhat * product / n : dy[e]);
      }
      weight_grad[k] = product;
      bias_grad[k] = sum;
    }
  }
};

template <class T>
void expect_batch_norm(Context& context, const Shape& x_shape, bool training) {
  using A = Accumulate<T>;
  const double allowed = 4 * tolerance(kDTypeOf<T>);
  const ChannelShape shape = channel_shape("batch_norm", x_shape);
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(x_shape, training ? ", training" : ", evaluation"));
    Stream& stream = context.stream();
    const auto n = std::size_t(x_shape.count()), m = std::size_t(shape.channels);
    auto x_values = to_double(random_values<T>(n, 1, 2.0));
    for (double& value : x_values) value += 3;  // a mean that squares would cancel against
    const auto x_stored = from_double<T>(x_values), dy_stored = random_values<T>(n, 2);
    const auto weight_stored = random_values<T>(m, 3), bias_stored = random_values<T>(m, 4);
    std::vector<A> mean_stored(m, A(0.5)), variance_stored(m, A(1.5));
    Reference want{shape,
                   training,
                   to_double(x_stored),
                   to_double(dy_stored),
                   to_double(weight_stored),
                   to_double(bias_stored),
                   to_double(mean_stored),
                   to_double(variance_stored)};
    want.run(0.25, 1e-3);
    const DeviceVector<T> x(context, x_stored, variant.offset);
    const DeviceVector<T> dy(context, dy_stored, variant.offset);
    const DeviceVector<T> weight(context, weight_stored), bias(context, bias_stored);
    const DeviceVector<T> y(context, n, variant.offset), dx(context, n, variant.offset);
    const DeviceVector<T> weight_grad(context, m), bias_grad(context, m);
    const DeviceVector<A> running_mean(context, mean_stored),
        running_variance(context, variance_stored);
    const DeviceVector<A> mean(context, m), rstd(context, m);
    const TensorType scratch_type = batch_norm_scratch(shape, kDTypeOf<T>);
    const DeviceVector<A> scratch(context, std::size_t(scratch_type.shape.count()));
    const Shape channels{shape.channels};
    const auto forward = [&] {
      running_mean.upload(mean_stored);
      running_variance.upload(variance_stored);
      batch_norm_forward(stream, {.y = y.tensor(x_shape),
                                  .x = x.tensor(x_shape),
                                  .weight = weight.tensor(channels),
                                  .bias = bias.tensor(channels),
                                  .running_mean = running_mean.tensor(channels),
                                  .running_variance = running_variance.tensor(channels),
                                  .mean = mean.tensor(channels),
                                  .rstd = rstd.tensor(channels),
                                  .scratch = scratch.tensor(scratch_type.shape),
                                  .training = training,
                                  .momentum = 0.25,
                                  .epsilon = 1e-3});
      return y.download();
    };
    EXPECT_TRUE(same_bits(with_workers(1, forward), with_workers(2, forward)));
    ADJOINT_EXPECT_CLOSE(y.download(), want.y, allowed);
    ADJOINT_EXPECT_CLOSE(running_mean.download(), want.running_mean, 1e-6);
    ADJOINT_EXPECT_CLOSE(running_variance.download(), want.running_variance, 1e-6);
    const auto backward = [&](const Tensor& to, GradientMode mode, GradientMode parameters) {
      batch_norm_backward(stream, {.dx = {to, mode},
                                   .weight_grad = {weight_grad.tensor(channels), parameters},
                                   .bias_grad = {bias_grad.tensor(channels), parameters},
                                   .x = x.tensor(x_shape),
                                   .dy = dy.tensor(x_shape),
                                   .weight = weight.tensor(channels),
                                   .mean = mean.tensor(channels),
                                   .rstd = rstd.tensor(channels),
                                   .scratch = scratch.tensor(scratch_type.shape),
                                   .training = training});
    };
    const auto run = [&] {
      backward(dx.tensor(x_shape), GradientMode::overwrite, GradientMode::overwrite);
      return dx.download();
    };
    EXPECT_TRUE(same_bits(with_workers(1, run), with_workers(2, run)));
    const auto once = dx.download();
    // Of two elements xhat is one of two constants, and dx a difference of equal numbers.
    if (shape.count() > 2 || !training) {
      ADJOINT_EXPECT_CLOSE(once, want.dx, allowed);
    }
    ADJOINT_EXPECT_CLOSE(weight_grad.download(), want.weight_grad, allowed);
    ADJOINT_EXPECT_CLOSE(bias_grad.download(), want.bias_grad, allowed);
    const auto doubled = [](std::vector<double> values) {
      for (double& value : values) value *= 2;
      return values;
    };
    backward(dx.tensor(x_shape), GradientMode::accumulate, GradientMode::accumulate);
    ADJOINT_EXPECT_CLOSE(dx.download(), doubled(to_double(once)), allowed);
    ADJOINT_EXPECT_CLOSE(weight_grad.download(), doubled(want.weight_grad), 2 * allowed);
    backward(dy.tensor(x_shape), GradientMode::overwrite, GradientMode::none);
    EXPECT_TRUE(same_bits(dy.download(), once));
  });
}

TYPED_TEST(BatchNormTest, MatchesReference) {
  for (const Shape& shape : {Shape{2, 1}, Shape{5, 7}, Shape{300, 40}, Shape{9, 64}, Shape{1, 3, 2},
                             Shape{4, 3, 7, 5}, Shape{3, 5, 8, 8}, Shape{2, 2, 150, 130}}) {
    expect_batch_norm<TypeParam>(this->context, shape, true);
    expect_batch_norm<TypeParam>(this->context, shape, false);
  }
}

// Channels whose squares overflow beside one of small numbers: y as of the channel divided by its
// unit; a running variance that its type cannot hold ends at the largest number.
template <class T>
void expect_large_channels(Context& context, const Shape& x_shape) {
  using A = Accumulate<T>;
  const double unit = sizeof(T) == 8 ? 0x1p900 : kDTypeOf<T> == DType::float16 ? 0x1p13 : 0x1p120;
  const double allowed = 8 * tolerance(kDTypeOf<T>);
  const ChannelShape shape = channel_shape("batch_norm", x_shape);
  const auto n = std::size_t(x_shape.count()), m = std::size_t(shape.channels);
  const auto channel = [&](std::size_t i) {
    return std::int64_t(i) / shape.inner % shape.channels;
  };
  const auto unit_of = [&](std::int64_t c) { return c % 3 == 1 ? 1.0 : unit; };
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(x_shape));
    std::vector<double> small = to_double(random_values<T>(n, 1)), large(n);
    for (double& value : small) value = std::clamp(value, -3.0, 3.0);
    for (std::size_t i = 0; i < n; ++i) large[i] = small[i] * unit_of(channel(i));
    const auto dy_values = random_values<T>(n, 2);
    Reference want{shape,
                   true,
                   small,
                   to_double(dy_values),
                   std::vector<double>(m, 1),
                   std::vector<double>(m, 0),
                   std::vector<double>(m, 0),
                   std::vector<double>(m, 1)};
    want.run(0.5, 1e-30);
    const DeviceVector<T> x(context, from_double<T>(large), variant.offset);
    const DeviceVector<T> dy(context, dy_values, variant.offset);
    const DeviceVector<T> y(context, n, variant.offset), dx(context, n, variant.offset);
    const DeviceVector<A> running_mean(context, std::vector<A>(m, A(0)));
    const DeviceVector<A> running_variance(context, std::vector<A>(m, A(1)));
    const DeviceVector<A> mean(context, m), rstd(context, m);
    const TensorType scratch_type = batch_norm_scratch(shape, kDTypeOf<T>);
    const DeviceVector<A> scratch(context, std::size_t(scratch_type.shape.count()));
    const Shape channels{shape.channels};
    batch_norm_forward(context.stream(), {.y = y.tensor(x_shape),
                                          .x = x.tensor(x_shape),
                                          .weight = {},
                                          .bias = {},
                                          .running_mean = running_mean.tensor(channels),
                                          .running_variance = running_variance.tensor(channels),
                                          .mean = mean.tensor(channels),
                                          .rstd = rstd.tensor(channels),
                                          .scratch = scratch.tensor(scratch_type.shape),
                                          .momentum = 0.5,
                                          .epsilon = 1e-30});
    batch_norm_backward(context.stream(), {.dx = {dx.tensor(x_shape), GradientMode::overwrite},
                                           .weight_grad = {},
                                           .bias_grad = {},
                                           .x = x.tensor(x_shape),
                                           .dy = dy.tensor(x_shape),
                                           .weight = {},
                                           .mean = mean.tensor(channels),
                                           .rstd = rstd.tensor(channels),
                                           .scratch = scratch.tensor(scratch_type.shape)});
    ADJOINT_EXPECT_CLOSE(y.download(), want.y, allowed);
    std::vector<double> scaled = to_double(dx.download());
    for (std::size_t i = 0; i < n; ++i) scaled[i] *= unit_of(channel(i));
    if (kDTypeOf<T> != DType::float16) {  // whose small gradients round
      EXPECT_LE(relative_error(scaled, want.dx), allowed);
    }
    const std::vector<double> variances = to_double(running_variance.download());
    for (std::size_t c = 0; c < m; ++c) {
      EXPECT_TRUE(std::isfinite(variances[c]));
      if (unit_of(std::int64_t(c)) == 1) {
        EXPECT_LE(std::abs(variances[c] / want.running_variance[c] - 1), 1e-5);
      }
    }
  });
}

TYPED_TEST(BatchNormTest, StandsLargeNumbers) {
  for (const Shape& shape :
       {Shape{5, 7}, Shape{700, 40}, Shape{3, 600}, Shape{4, 3, 7, 5}, Shape{2, 2, 150, 130}})
    expect_large_channels<TypeParam>(this->context, shape);
}

TYPED_TEST(BatchNormTest, WithoutElementsParametersHaveNoGradient) {
  using T = TypeParam;
  using A = Accumulate<T>;
  Context& context = this->context;
  for (const Shape& x_shape : {Shape{0, 3}, Shape{4, 0}, Shape{4, 3, 0}})
    for (const GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
      SCOPED_TRACE(str(x_shape));
      const Shape channels{x_shape[1]};
      const auto m = std::size_t(x_shape[1]);
      const std::vector<T> sevens(m, T(7.0f)), zeros(m, T(0.0f));
      const DeviceVector<T> none(context, 0), weight(context, sevens);
      const DeviceVector<T> weight_grad(context, sevens), bias_grad(context, sevens);
      const DeviceVector<A> mean(context, m), rstd(context, m);
      const TensorType scratch_type =
          batch_norm_scratch(channel_shape("batch_norm", x_shape), kDTypeOf<T>);
      const DeviceVector<A> scratch(context, std::size_t(scratch_type.shape.count()));
      const Tensor empty = none.tensor(x_shape);
      batch_norm_backward(context.stream(), {.dx = {empty, mode},
                                             .weight_grad = {weight_grad.tensor(channels), mode},
                                             .bias_grad = {bias_grad.tensor(channels), mode},
                                             .x = empty,
                                             .dy = empty,
                                             .weight = weight.tensor(channels),
                                             .mean = mean.tensor(channels),
                                             .rstd = rstd.tensor(channels),
                                             .scratch = scratch.tensor(scratch_type.shape),
                                             .training = false});
      const auto& want = mode == GradientMode::overwrite ? zeros : sevens;
      EXPECT_TRUE(same_bits(weight_grad.download(), want));
      EXPECT_TRUE(same_bits(bias_grad.download(), want));
    }
}

TEST(BatchNorm, RefusesToTrainWithASingleElement) {
  ADJOINT_REQUIRE_DEVICE();
  Context context;
  const DeviceVector<float> x(context, std::vector<float>{1, 2, 3}), y(context, 3);
  const DeviceVector<float> running_mean(context, std::vector<float>{0, 0, 0});
  const DeviceVector<float> running_variance(context, std::vector<float>{1, 1, 1});
  const DeviceVector<float> mean(context, 3), rstd(context, 3), scratch(context, 6);
  BatchNormForward call{.y = y.tensor({1, 3}),
                        .x = x.tensor({1, 3}),
                        .weight = {},
                        .bias = {},
                        .running_mean = running_mean.tensor({3}),
                        .running_variance = running_variance.tensor({3}),
                        .mean = mean.tensor({3}),
                        .rstd = rstd.tensor({3}),
                        .scratch = scratch.tensor({1, 2, 3})};
  EXPECT_THROW(batch_norm_forward(context.stream(), call), Error);
  call.training = false;
  call.epsilon = 0.0;
  batch_norm_forward(context.stream(), call);
  EXPECT_EQ(y.download(), (std::vector<float>{1, 2, 3}));
}

TEST(ChannelShape, PartialsOfMoreSamplesServeFewer) {
  for (const std::int64_t inner : {1, 2, 784, 4096, 20000}) {
    std::int64_t before = 0;
    for (std::int64_t samples = 0; samples < 5000; ++samples) {
      const ChannelShape shape{samples, 3, inner};
      ASSERT_LE(shape.ranges(), shape.partials()[0]) << samples << " x " << inner;
      ASSERT_LE(before, shape.partials()[0]) << samples << " x " << inner;
      before = shape.partials()[0];
    }
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
