// Pointwise kernels from one functor: values and derivatives against float64, modes, aliases; and
// the elementary functions and dual numbers below them.
#include "kernels/pointwise.cuh"

#include "kernel_test.h"
#include "kernels/activation.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// A functor of a user's: no derivative given, a constant held, a kink.
struct Bent {
  float slope;
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return select(x > T(0.0f), x * tanh(x), T(slope) * x) + sqrt(x * x + T(1.0f)) / exp(x);
  }
};

/// The same as Relu but from x.
struct GivenDerivative {
  template <class T>
  ADJOINT_HD T operator()(T x) const {
    return maximum(x, T(0.0f));
  }
  template <class T>
  ADJOINT_HD T derivative(T x) const {
    return select(x > T(0.0f), T(1.0f), T(0.0f));
  }
};

namespace {

template <class T>
using PointwiseTest = KernelTest<T>;
TYPED_TEST_SUITE(PointwiseTest, FloatingTypes);

template <class T, class F, class Value, class Derivative>
void expect_function(Context& context, const F& f, const Value& value,
                     const Derivative& derivative) {
  Stream& stream = context.stream();
  const double allowed = kDTypeOf<T> == DType::float64 ? 1e-12 : tolerance(kDTypeOf<T>);
  for (std::size_t n : {0, 1, 5, 33, 2048, 5003})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(n, " elements"));
      const Shape shape{std::int64_t(n)};
      const auto x_values = random_values<T>(n, 1, 2.0), dy_values = random_values<T>(n, 2);
      std::vector<double> y, dx;
      for (std::size_t i = 0; i < n; ++i) {
        const double at = double(Accumulate<T>(x_values[i]));
        y.push_back(value(at));
        dx.push_back(derivative(at) * double(Accumulate<T>(dy_values[i])));
      }
      const DeviceVector<T> x(context, x_values, variant.offset);
      const DeviceVector<T> out(context, n, variant.offset), grad(context, n, variant.offset);
      pointwise_forward(stream, f, out.tensor(shape), x.tensor(shape));
      ADJOINT_EXPECT_CLOSE(out.download(), y, allowed);
      const Tensor read = kDerivativeFromY<F> ? out.tensor(shape) : x.tensor(shape);
      const DeviceVector<T> dy(context, dy_values, variant.offset);
      pointwise_backward(stream, f, {grad.tensor(shape), GradientMode::overwrite}, read,
                         dy.tensor(shape));
      ADJOINT_EXPECT_CLOSE(grad.download(), dx, allowed);
      pointwise_backward(stream, f, {Tensor(), GradientMode::none}, read, dy.tensor(shape));
      // dx over dy, then added; y over x.
      pointwise_backward(stream, f, {dy.tensor(shape), GradientMode::overwrite}, read,
                         dy.tensor(shape));
      EXPECT_TRUE(same_bits(dy.download(), grad.download()));
      dy.upload(dy_values);
      pointwise_backward(stream, f, {grad.tensor(shape), GradientMode::accumulate}, read,
                         dy.tensor(shape));
      for (double& gradient : dx) gradient *= 2;
      ADJOINT_EXPECT_CLOSE(grad.download(), dx, 2 * allowed);
      pointwise_forward(stream, f, x.tensor(shape), x.tensor(shape));
      EXPECT_TRUE(same_bits(x.download(), out.download()));
    });
}

const double kPi = 3.14159265358979323846;

TYPED_TEST(PointwiseTest, Relu) {
  const auto value = [](double x) { return x > 0 ? x : 0; };
  const auto derivative = [](double x) { return x > 0 ? 1.0 : 0.0; };
  expect_function<TypeParam>(this->context, Relu{}, value, derivative);
  expect_function<TypeParam>(this->context, GivenDerivative{}, value, derivative);
  static_assert(kDerivativeFromY<Relu> && !kDerivativeFromY<GivenDerivative>);
}

TYPED_TEST(PointwiseTest, GeluTanh) {
  const double c = std::sqrt(2 / kPi);
  const auto u = [c](double x) { return c * (x + 0.044715 * x * x * x); };
  expect_function<TypeParam>(
      this->context, GeluTanh{}, [&](double x) { return 0.5 * x * (1 + std::tanh(u(x))); },
      [&](double x) {
        const double t = std::tanh(u(x));
        return 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * c * (1 + 3 * 0.044715 * x * x);
      });
}

TYPED_TEST(PointwiseTest, GeluExact) {
  const auto phi = [](double x) { return 0.5 * (1 + std::erf(x / std::sqrt(2.0))); };
  expect_function<TypeParam>(
      this->context, GeluExact{}, [&](double x) { return x * phi(x); },
      [&](double x) { return phi(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * kPi); });
}

TYPED_TEST(PointwiseTest, DifferentiatesAnyFunctor) {
  const double slope = 0.25;
  const auto rest = [](double x) { return std::sqrt(x * x + 1) / std::exp(x); };
  expect_function<TypeParam>(
      this->context, Bent{float(slope)},
      [&](double x) { return (x > 0 ? x * std::tanh(x) : slope * x) + rest(x); },
      [&](double x) {
        const double t = std::tanh(x), root = std::sqrt(x * x + 1);
        return (x > 0 ? t + x * (1 - t * t) : slope) + x / root / std::exp(x) - rest(x);
      });
}

/// Largest relative error of a float32 function over [-range, range], in units of 2^-24.
template <class Function, class Exact>
double units(const Function& function, const Exact& exact, double range) {
  double worst = 0;
  for (int i = -200000; i <= 200000; ++i) {
    const float x = float(i * range / 200000);
    const double want = exact(double(x)), error = std::abs(double(function(x)) - want);
    if (want != 0) worst = std::max(worst, error / std::abs(want) * 16777216);
    if (error != error) return error;
  }
  return worst;
}

TEST(KernelMath, IsAccurateOnTheHost) {
  EXPECT_LE(units([](float x) { return exp(x); }, [](double x) { return std::exp(x); }, 87), 3.0);
  EXPECT_LE(units([](float x) { return tanh(x); }, [](double x) { return std::tanh(x); }, 12), 5.0);
  EXPECT_LE(units([](float x) { return erf(x); }, [](double x) { return std::erf(x); }, 5), 5.0);
  const float infinity = INFINITY;
  EXPECT_EQ(exp(-infinity), 0.0f);
  EXPECT_EQ(exp(infinity), infinity);
  EXPECT_EQ(exp(0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(exp(NAN)) && std::isnan(tanh(NAN)) && std::isnan(erf(NAN)));
  EXPECT_EQ(tanh(-infinity), -1.0f);
  EXPECT_EQ(erf(infinity), 1.0f);
  EXPECT_LE(std::abs(double(exp(-100.0f)) / std::exp(-100.0) - 1), 0.02);  // subnormal
}

TEST(Dual, DifferentiatesEachFunction) {
  using D = Dual<double>;
  const double h = 1e-6;
  const auto check = [&](auto f, double x) {
    const double difference = (f(D(x + h)).value - f(D(x - h)).value) / (2 * h);
    EXPECT_LE(std::abs(f(D(x, 1.0)).derivative - difference), 1e-8 * (1 + std::abs(difference)));
  };
  for (double x : {0.3, 1.7}) {
    check([](D a) { return exp(a) / (a + 2.0) - a; }, x);
    check([](D a) { return log(a) * sqrt(a); }, x);
    check([](D a) { return tanh(a) + erf(a) * sigmoid(-a); }, x);
    check([](D a) { return pow(a, 2.5) + pow(a, a); }, x);
    check([](D a) { return maximum(a, D(1.0)) * minimum(a * a, D(1.0)); }, x);
  }
  const double nan = std::nan("");
  EXPECT_TRUE(std::isnan(Relu{}(nan)));
}

}  // namespace
}  // namespace adjoint::inline ADJOINT_BACKEND
