// PReLU against a naive float64 reference: one slope, one a feature, one a channel.
#include "kernels/prelu.h"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using PReLUTest = KernelTest<T>;
TYPED_TEST_SUITE(PReLUTest, FloatingTypes);

template <class T>
void expect_prelu(Context& context, const ChannelShape& shape) {
  using A = Accumulate<T>;
  const double allowed = 2 * tolerance(kDTypeOf<T>);
  const Shape extents{shape.samples, shape.channels, shape.inner}, channels{shape.channels};
  for_each_variant([&](const Variant& variant) {
    SCOPED_TRACE(str(extents));
    Stream& stream = context.stream();
    const auto n = std::size_t(extents.count()), m = std::size_t(shape.channels);
    // Gradients of one sign: sums of both signs cancel, whatever makes them.
    std::vector<double> positive = to_double(random_values<T>(n, 2));
    for (double& value : positive) value = std::abs(value);
    const auto x_values = random_values<T>(n, 1), dy_values = from_double<T>(positive);
    const auto slope_values = random_values<T>(m, 3);
    const auto xs = to_double(x_values), dys = to_double(dy_values);
    const auto slopes = to_double(slope_values);
    std::vector<double> want_y(n), want_dx(n), want_slope(m);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t c = i / std::size_t(shape.inner) % m;
      const double x = xs[i], dy = dys[i];
      const double slope = x > 0 ? 1.0 : slopes[c];
      want_y[i] = slope * x;
      want_dx[i] = slope * dy;
      if (x <= 0) want_slope[c] += dy * x;
    }
    const DeviceVector<T> x(context, x_values, variant.offset);
    const DeviceVector<T> dy(context, dy_values, variant.offset);
    const DeviceVector<T> y(context, n, variant.offset), dx(context, n, variant.offset);
    const DeviceVector<T> slope(context, slope_values), slope_grad(context, m);
    const DeviceVector<A> scratch(context, std::size_t(shape.partials().count()));
    prelu_forward(stream, shape, y.tensor(extents), x.tensor(extents), slope.tensor(channels));
    ADJOINT_EXPECT_CLOSE(y.download(), want_y, allowed);
    const auto backward = [&](const Tensor& to, GradientMode mode) {
      prelu_backward(stream, shape,
                     {.dx = {to, mode},
                      .slope_grad = {slope_grad.tensor(channels), mode},
                      .x = x.tensor(extents),
                      .dy = dy.tensor(extents),
                      .slope = slope.tensor(channels),
                      .scratch = scratch.tensor(shape.partials())});
      return slope_grad.download();
    };
    const auto run = [&] { return backward(dx.tensor(extents), GradientMode::overwrite); };
    EXPECT_TRUE(same_bits(with_workers(1, run), with_workers(2, run)));
    ADJOINT_EXPECT_CLOSE(dx.download(), want_dx, allowed);
    ADJOINT_EXPECT_CLOSE(slope_grad.download(), want_slope, 2 * allowed);
    backward(dx.tensor(extents), GradientMode::accumulate);
    for (double& value : want_dx) value *= 2;
    ADJOINT_EXPECT_CLOSE(dx.download(), want_dx, allowed);
    const auto added = slope_grad.download();
    backward(dy.tensor(extents), GradientMode::overwrite);
    for (double& value : want_dx) value /= 2;
    ADJOINT_EXPECT_CLOSE(dy.download(), want_dx, allowed);
    for (double& value : want_slope) value *= 2;
    ADJOINT_EXPECT_CLOSE(added, want_slope, 4 * allowed);
  });
}

TYPED_TEST(PReLUTest, MatchesReference) {
  for (const ChannelShape& shape :
       {ChannelShape{0, 3, 1}, ChannelShape{1, 1, 1}, ChannelShape{7, 1, 19},
        ChannelShape{300, 40, 1}, ChannelShape{4, 3, 35}, ChannelShape{2, 1, 20000}})
    expect_prelu<TypeParam>(this->context, shape);
}

TYPED_TEST(PReLUTest, WithoutElementsTheSlopeHasNoGradient) {
  using T = TypeParam;
  Context& context = this->context;
  for (const ChannelShape& shape :
       {ChannelShape{0, 3, 1}, ChannelShape{4, 0, 1}, ChannelShape{4, 1, 0}, ChannelShape{4, 3, 0}})
    for (const GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
      SCOPED_TRACE(str(shape.samples, " x ", shape.channels, " x ", shape.inner));
      const auto m = std::size_t(shape.channels);
      const std::vector<T> sevens(m, T(7.0f)), zeros(m, T(0.0f));
      const DeviceVector<T> none(context, 0), slope(context, sevens), slope_grad(context, sevens);
      const DeviceVector<Accumulate<T>> scratch(context, std::size_t(shape.partials().count()));
      const Tensor empty = none.tensor({shape.samples, shape.channels, shape.inner});
      const Shape channels{shape.channels};
      prelu_forward(context.stream(), shape, empty, empty, slope.tensor(channels));
      prelu_backward(context.stream(), shape,
                     {.dx = {empty, mode},
                      .slope_grad = {slope_grad.tensor(channels), mode},
                      .x = empty,
                      .dy = empty,
                      .slope = slope.tensor(channels),
                      .scratch = scratch.tensor(shape.partials())});
      EXPECT_TRUE(
          same_bits(slope_grad.download(), mode == GradientMode::overwrite ? zeros : sevens));
    }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
