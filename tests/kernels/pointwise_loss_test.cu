// Losses over elements against float64: sums, counts, gradients in both arguments, modes; any
// number of elements, any alignment.
#include "kernels/pointwise_loss.cuh"

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A functor of a user's: not symmetric, a constant held, right or wrong told.
struct Lopsided {
  float slope;
  template <class T>
  ADJOINT_HD T operator()(T x, T t) const {
    return select(x > t, (x - t) * (x - t), T(slope) * (t - x)) + x * t * T(0.25f);
  }
  template <class T>
  ADJOINT_HD bool right(T x, T t) const {
    return x > t;
  }
};

namespace {

template <class T>
using PointwiseLossKernel = KernelTest<T>;
TYPED_TEST_SUITE(PointwiseLossKernel, FloatingTypes);

constexpr double kSlope = 0.5;

/// The definition in float64; every element has its own dy.
struct Reference {
  std::vector<double> losses, dx, dtarget;
  double sum = 0, right = 0;

  Reference(const std::vector<double>& x, const std::vector<double>& t,
            const std::vector<double>& dy) {
    for (std::size_t i = 0; i < x.size(); ++i) {
      const bool above = x[i] > t[i];
      const double d = x[i] - t[i];
      losses.push_back((above ? d * d : -kSlope * d) + x[i] * t[i] / 4);
      dx.push_back(dy[i] * ((above ? 2 * d : -kSlope) + t[i] / 4));
      dtarget.push_back(dy[i] * ((above ? -2 * d : kSlope) + x[i] / 4));
      sum += losses.back();
      right += above;
    }
  }
};

template <class T>
struct Case {
  using A = Accumulate<T>;
  Case(Context& context, std::size_t n, std::size_t offset)
      : x_values(random_values<T>(n, 1)),
        t_values(random_values<T>(n, 2)),
        dy_values(random_values<T>(n, 3)),
        x(context, x_values, offset),
        t(context, t_values, offset),
        dy(context, dy_values, offset),
        dx(context, n, offset),
        dt(context, n, offset),
        losses(context, n, offset),
        totals(context, std::vector<A>{7, 7, 7}),
        totals_dy(context, std::vector<A>{3, 100, 100}),
        counter(context, std::vector<std::int32_t>{0}),
        scale(context, std::vector<float>{2}),
        scratch_type(loss_scratch(pointwise_loss_pieces(std::int64_t(n)))),
        scratch(context, std::size_t(scratch_type.shape.count())),
        shape{std::int64_t(n)} {}

  PointwiseLossCall fused() const {
    return {.x = x.tensor(shape),
            .target = t.tensor(shape),
            .dx = {dx.tensor(shape), GradientMode::overwrite},
            .dtarget = {dt.tensor(shape), GradientMode::overwrite},
            .out = {.totals = totals.tensor({3}),
                    .counter = counter.tensor({1}),
                    .scratch = scratch.tensor(scratch_type.shape),
                    .scale = scale.data()},
            .count = 5};
  }

  std::vector<T> x_values, t_values, dy_values;
  DeviceVector<T> x, t, dy, dx, dt, losses;
  DeviceVector<A> totals, totals_dy;
  DeviceVector<std::int32_t> counter;
  DeviceVector<float> scale;
  TensorType scratch_type;
  DeviceVector<double> scratch;
  Shape shape;
};

std::vector<double> times(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

TYPED_TEST(PointwiseLossKernel, MatchesReference) {
  const double allowed = tolerance(kDTypeOf<TypeParam>);
  const double exact = sizeof(TypeParam) == 8 ? 1e-13 : 1e-6;
  const Lopsided f{float(kSlope)};
  Stream& stream = this->context.stream();
  for (std::size_t n : {0, 1, 5, 33, 4096, 5003, 20001})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(n, " elements"));
      const Case<TypeParam> c(this->context, n, variant.offset);
      const auto x = to_double(c.x_values), t = to_double(c.t_values);
      const Reference once(x, t, std::vector<double>(n, 1.0)), each(x, t, to_double(c.dy_values));
      // In forward: the gradient of the sum, times the loss scale.
      pointwise_loss(stream, f, c.fused());
      const auto totals = to_double(c.totals.download());
      double magnitude = 0;
      for (double loss : once.losses) magnitude += std::abs(loss);
      EXPECT_LE(std::abs(totals[0] - once.sum), exact * magnitude);
      EXPECT_EQ(totals[1], 5);
      EXPECT_EQ(totals[2], once.right);
      EXPECT_EQ(c.counter.download()[0], 0);
      ADJOINT_EXPECT_CLOSE(c.dx.download(), times(once.dx, 2), allowed);
      ADJOINT_EXPECT_CLOSE(c.dt.download(), times(once.dtarget, 2), allowed);
      // In backward: times the gradient of the totals, added to one and leaving the other alone.
      PointwiseLossCall call = c.fused();
      call.out = LossOutput{.totals_dy = c.totals_dy.tensor({3})};
      call.dx.mode = GradientMode::accumulate;
      call.dtarget = {};
      pointwise_loss(stream, f, call);
      ADJOINT_EXPECT_CLOSE(c.dx.download(), times(once.dx, 5), 2 * allowed);
      ADJOINT_EXPECT_CLOSE(c.dt.download(), times(once.dtarget, 2), allowed);
      // Every element for itself.
      call.out = LossOutput{.losses = c.losses.tensor(c.shape)};
      call.dx = {};
      pointwise_loss(stream, f, call);
      ADJOINT_EXPECT_CLOSE(c.losses.download(), once.losses, allowed);
      call.out = LossOutput{.losses_dy = c.dy.tensor(c.shape)};
      call.dx = {c.dx.tensor(c.shape), GradientMode::overwrite};
      call.dtarget = {c.dt.tensor(c.shape), GradientMode::accumulate};
      c.dt.upload(from_double<TypeParam>(std::vector<double>(n, 0.0)));
      pointwise_loss(stream, f, call);
      ADJOINT_EXPECT_CLOSE(c.dx.download(), each.dx, allowed);
      ADJOINT_EXPECT_CLOSE(c.dt.download(), each.dtarget, allowed);
    });
}

TYPED_TEST(PointwiseLossKernel, ManyElementsTakeTurns) {
  // More pieces than blocks, and a batch of fewer elements that is spread over more blocks.
  const std::size_t most = std::size_t(kMostLossBlocks + 1) * kPointwiseLossPiece;
  if (sizeof(TypeParam) == 8) return;  // one type of each pack suffices
  const Case<TypeParam> c(this->context, most, 0);
  for (std::size_t n : {most, most - kPointwiseLossPiece}) {
    const std::vector<double> x = to_double(c.x_values), t = to_double(c.t_values);
    const Reference want({x.begin(), x.begin() + std::ptrdiff_t(n)},
                         {t.begin(), t.begin() + std::ptrdiff_t(n)}, std::vector<double>(n, 1.0));
    PointwiseLossCall call = c.fused();
    const Shape shape{std::int64_t(n)};
    call.x = c.x.tensor(shape);
    call.target = c.t.tensor(shape);
    call.dx.tensor = c.dx.tensor(shape);
    call.dtarget.tensor = c.dt.tensor(shape);
    pointwise_loss(this->context.stream(), Lopsided{float(kSlope)}, call);
    const auto totals = to_double(c.totals.download());
    EXPECT_LE(std::abs(totals[0] - want.sum), 1e-6 * want.sum);
    EXPECT_EQ(totals[2], want.right);
    EXPECT_EQ(c.counter.download()[0], 0);
  }
}

TYPED_TEST(PointwiseLossKernel, RepeatsBitForBit) {
  for_each_variant([&](const Variant& variant) {
    const Case<TypeParam> c(this->context, 20001, variant.offset);
    const auto run = [&] {
      pointwise_loss(this->context.stream(), Lopsided{float(kSlope)}, c.fused());
      return std::pair(c.totals.download(), c.dx.download());
    };
    const auto one = with_workers(1, run), two = with_workers(2, run);
    EXPECT_TRUE(same_bits(one.first, two.first) && same_bits(one.second, two.second));
  });
}

TYPED_TEST(PointwiseLossKernel, RefusesWhatDoesNotFit) {
  const Case<TypeParam> c(this->context, 8, 0);
  PointwiseLossCall call = c.fused();
  call.target = c.t.tensor({4});
  EXPECT_THROW(pointwise_loss(this->context.stream(), Lopsided{1}, call), Error);
  call = c.fused();
  call.out.scratch = c.scratch.tensor({1});
  EXPECT_THROW(pointwise_loss(this->context.stream(), Lopsided{1}, call), Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
