// Pointwise kernels from one functor: values and derivatives against float64, modes, aliases; and
// the elementary functions and dual numbers below them.
#include "kernels/pointwise.cuh"

#include "kernel_test.h"
#include "kernels/activation.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

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
  EXPECT_LE(units([](float x) { return expm1(x); }, [](double x) { return std::expm1(x); }, 88),
            4.0);
  EXPECT_LE(units([](float x) { return expm1(x); }, [](double x) { return std::expm1(x); }, 1),
            4.0);
  const auto log1p_of = [](float x) { return log1p(x); };
  const auto exact_log1p = [](double x) { return std::log1p(x); };
  EXPECT_LE(units(log1p_of, exact_log1p, 0.99999), 4.0);
  EXPECT_LE(units([&](float x) { return log1p_of(std::abs(x)); },
                  [&](double x) { return exact_log1p(std::abs(x)); }, 1e4),
            4.0);
  EXPECT_LE(units([&](float x) { return log1p_of(1e-6f * x); },
                  [&](double x) { return exact_log1p(double(1e-6f * float(x))); }, 1.0),
            4.0);
  EXPECT_LE(units([](float z) { return log1p_unit(std::abs(z)); },
                  [](double z) { return std::log1p(std::abs(z)); }, 1),
            4.0);
  const auto log_of = [](float x) { return log(x == 0.0f ? 1e-44f : std::abs(x)); };
  const auto exact_log = [](double x) { return std::log(x == 0 ? double(1e-44f) : std::abs(x)); };
  EXPECT_LE(units(log_of, exact_log, 3), 4.0);
  EXPECT_LE(units(log_of, exact_log, 1e30), 4.0);
  EXPECT_LE(units([&](float x) { return log_of(1e-37f * x); },
                  [&](double x) { return exact_log(double(1e-37f * float(x))); }, 1.0),
            4.0);
  const float infinity = INFINITY;
  EXPECT_EQ(log(infinity), infinity);
  EXPECT_EQ(log(0.0f), -infinity);
  const float largest = std::numeric_limits<float>::max();
  EXPECT_LE(std::abs(double(log(largest)) - 88.7228391), 1e-5);
  EXPECT_LE(std::abs(double(log1p(largest)) - 88.7228391), 1e-5);
  EXPECT_EQ(log(1.0f), 0.0f);
  EXPECT_TRUE(std::isnan(log(NAN)) && std::isnan(log(-1.0f)) && std::isnan(log1p_unit(NAN)));
  EXPECT_EQ(log1p_unit(0.0f), 0.0f);
  EXPECT_EQ(exp(-infinity), 0.0f);
  EXPECT_EQ(exp(infinity), infinity);
  EXPECT_EQ(exp(0.0f), 1.0f);
  EXPECT_TRUE(std::isnan(exp(NAN)) && std::isnan(tanh(NAN)) && std::isnan(erf(NAN)));
  EXPECT_TRUE(std::isnan(expm1(NAN)) && std::isnan(log1p(NAN)) && std::isnan(log1p(-1.5f)));
  EXPECT_EQ(expm1(-infinity), -1.0f);
  EXPECT_EQ(expm1(infinity), infinity);
  EXPECT_EQ(expm1(0.0f), 0.0f);
  EXPECT_LE(std::abs(double(expm1(88.7f)) / std::expm1(double(88.7f)) - 1), 1e-6);
  EXPECT_EQ(log1p(infinity), infinity);
  EXPECT_EQ(log1p(-1.0f), -infinity);
  EXPECT_EQ(log1p(0.0f), 0.0f);
  EXPECT_EQ(tanh(-infinity), -1.0f);
  EXPECT_EQ(erf(infinity), 1.0f);
  EXPECT_LE(std::abs(double(exp(-100.0f)) / std::exp(-100.0) - 1), 0.02);  // subnormal
}

TEST(KernelMath, ExpOverItsWholeRange) {
  const float infinity = INFINITY;
  EXPECT_LE(std::abs(double(exp(88.72f)) / std::exp(double(88.72f)) - 1), 1e-6);
  EXPECT_EQ(exp(88.73f), infinity);
  for (float x : {-104.1f, -1e9f, -1e30f, -infinity}) EXPECT_EQ(exp(x), 0.0f) << x;
  for (float x : {89.0f, 1e9f, 1e30f, infinity}) EXPECT_EQ(exp(x), infinity) << x;
  EXPECT_TRUE(std::isnan(exp(-NAN)));
  EXPECT_LE(units([](float x) { return one_plus_exp(x); }, [](double x) { return 1 + std::exp(x); },
                  88.7),
            3.0);
  for (float x : {-86.1f, -100.0f, -1e30f, -infinity}) EXPECT_EQ(one_plus_exp(x), 1.0f) << x;
  for (float x : {89.0f, 1e30f, infinity}) EXPECT_EQ(one_plus_exp(x), infinity) << x;
  EXPECT_TRUE(std::isnan(one_plus_exp(NAN)) && std::isnan(one_plus_exp(-NAN)));
}

/// f and f' in float32 against float64, from where nothing rounds to where all has saturated.
template <class F>
void expect_stable(const char* name, const F& f) {
  SCOPED_TRACE(name);
  double value_error = 0, derivative_error = 0;
  const auto derivative = [&]<class T>(T x) {
    if constexpr (kDerivativeFromY<F>)
      return pointwise_derivative(f, f(x));
    else
      return pointwise_derivative(f, x);
  };
  const auto worse = [](double& worst, double got, double want) {
    const double error = std::abs(got - want) / (1 + std::abs(want));
    if (!(error <= worst)) worst = error;
  };
  for (double magnitude = 1e-8; magnitude <= 1e4; magnitude *= 1.003)
    for (float x : {float(magnitude), -float(magnitude)}) {
      worse(value_error, double(f(x)), f(double(x)));
      worse(derivative_error, double(derivative(x)), derivative(double(x)));
    }
  EXPECT_LE(value_error, 4e-7);
  EXPECT_LE(derivative_error, 1e-6);
  EXPECT_TRUE(std::isnan(f(NAN)));
}

TEST(Activations, AreStableFarFromZero) {
  expect_stable("relu", Relu{});
  expect_stable("gelu tanh", GeluTanh{});
  expect_stable("gelu exact", GeluExact{});
  expect_stable("leaky relu", LeakyRelu{0.01});
  expect_stable("elu", Elu{1.0});
  expect_stable("selu", Selu{});
  expect_stable("silu", Silu{});
  expect_stable("mish", MishFunction{});
  expect_stable("tanh", TanhFunction{});
  expect_stable("sigmoid", SigmoidFunction{});
  expect_stable("softplus", SoftplusFunction{1.0, 20.0});
  expect_stable("softplus of any threshold", SoftplusFunction{0.5, 1e9});
  expect_stable("hard tanh", HardTanhFunction{-1.0, 2.5});
  expect_stable("relu6", Relu6{});
  expect_stable("hard sigmoid", HardSigmoidFunction{});
  expect_stable("hard swish", HardSwishFunction{});
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
    check([](D a) { return expm1(-a) * log1p(a * a); }, x);
    check([](D a) { return pow(a, 2.5) + pow(a, a); }, x);
    check([](D a) { return maximum(a, D(1.0)) * minimum(a * a, D(1.0)); }, x);
  }
  const double nan = std::nan("");
  EXPECT_TRUE(std::isnan(Relu{}(nan)));
}

TEST(Dual, WhatDoesNotMoveContributesNothing) {
  using D = Dual<double>;
  const double infinity = std::numeric_limits<double>::infinity();
  const D x(infinity, 1.0), zero(0.0);
  EXPECT_EQ((D(2.0) * x).derivative, 2);
  EXPECT_EQ((x / D(2.0)).derivative, 0.5);
  EXPECT_EQ((D(3.0) / x).derivative, 0);
  EXPECT_EQ((x * sigmoid(x)).derivative, 1);
  EXPECT_EQ((x + log(zero) * D(0.0)).derivative, 1);
  EXPECT_EQ((x + sqrt(zero)).derivative, 1);
  EXPECT_EQ((x + pow(zero, 0.5)).derivative, 1);
  EXPECT_EQ((x + log1p(D(-1.0))).derivative, 1);
  EXPECT_EQ(erf(x).derivative, 0);
  EXPECT_EQ(tanh(x).derivative, 0);
  EXPECT_EQ(weighted(zero, x).value, 0);
  EXPECT_EQ(weighted(D(0.0, 1.0), x).derivative, infinity);
  EXPECT_TRUE(std::isnan((x * D(0.0)).value)) << "values stay those of IEEE 754";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
