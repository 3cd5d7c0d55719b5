// Every registered pointwise layer and loss where numbers end: infinite, the largest of each type,
// kinks, zeros of both signs. Values and gradients as in PyTorch 2.15, and where that gives NaN of
// 0 times infinity, the limit. One that is registered without a line in these tables fails.
#include <gtest/gtest.h>

#include <functional>
#include <map>

#include "core/base/options.h"
#include "core/tensor/transfer.h"
#include "layers/activations/pointwise.h"
#include "layers/losses/pointwise_loss.h"
#include "support/backend.h"
#include "support/layer_graph.h"
#include "support/reference.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The largest finite number.
template <class T>
double largest() {
  if constexpr (sizeof(T) > 2)
    return std::numeric_limits<T>::max();
  else
    return std::is_same_v<T, float16> ? 65504.0 : 0x1.fep127;
}

/// `got` is `want` in its type: infinite where that has no such number, else near. NaN never is.
template <class T>
void expect_number(T got, double want, double tolerance, const std::string& where) {
  const double number = to_double(std::vector<T>{got})[0];
  const double rounded = to_double(from_double<T>({want}))[0];
  if (std::isinf(rounded)) {
    EXPECT_EQ(number, rounded) << where;
  } else {
    EXPECT_LE(std::abs(number - rounded), tolerance * std::max(1e-3, std::abs(rounded))) << where;
  }
}

/// One layer computing in T, on one element.
template <class T>
class Element {
 public:
  explicit Element(LayerCase layer_case) : model_(of_one(std::move(layer_case)), kDTypeOf<T>) {
    if (!model_.loss) give(model_.graph.gradient(model_.outputs[0]), 1);
  }

  void run(const std::vector<double>& x) {
    for (std::size_t i = 0; i < x.size(); ++i) give(model_.graph.tensor(model_.inputs[i]), x[i]);
    model_.graph.forward();
    model_.graph.backward();
  }
  /// Expects an output: the value, or the first of a loss's totals, which are in their own type.
  void expect_output(double want, const std::string& where) {
    const Tensor y = model_.graph.tensor(model_.outputs[0]);
    if (y.dtype() == kDTypeOf<T>)
      expect_number(download<T>(model_.context, y)[0], want, kTolerance, where);
    else
      expect_number(download<float>(model_.context, y)[0], want, kTolerance, where);
  }
  void expect_gradient(std::size_t input, double want, const std::string& where) {
    expect_number(gradient(input), want, kTolerance, where + " gradient");
  }
  double output() {
    const Tensor y = model_.graph.tensor(model_.outputs[0]);
    return y.dtype() == kDTypeOf<T> ? to_double(download<T>(model_.context, y))[0]
                                    : double(download<float>(model_.context, y)[0]);
  }

 private:
  const double kTolerance = kDTypeOf<T> == DType::float64 ? 1e-12 : 4 * tolerance(kDTypeOf<T>);

  static LayerCase of_one(LayerCase layer_case) {
    for (CheckInput& input : layer_case.inputs) input.type.shape = {1, 1};
    return layer_case;
  }
  void give(const Tensor& tensor, double value) {
    upload(model_.context, tensor, from_double<T>({value}));
  }
  T gradient(std::size_t input) {
    return download<T>(model_.context, model_.graph.gradient(model_.inputs[input]))[0];
  }

  LayerGraph model_;
};

template <class Kind>
std::vector<LayerCase> cases_of() {
  std::vector<LayerCase> cases = registered_cases();
  std::erase_if(cases, [](const LayerCase& layer_case) {
    return dynamic_cast<Kind*>(layer_case.make().get()) == nullptr;
  });
  return cases;
}

/// A case of a recipe's layer with one option, of inputs as another case has.
LayerCase case_with(const std::string& kind, const std::string& option, double value) {
  const LayerEntry entry = registered_layer(kind);
  LayerCase made = entry.cases[0];
  made.name = str(kind, "/", option, " ", value);
  made.make = [=] {
    Options options("a test");
    options.set(option, value);
    return entry.make(options);
  };
  return made;
}

// ------------------------------------------------------------------------------------ activations

/// What a function is far from zero: slope x, or where that is 0 a constant.
struct Tail {
  double constant, slope;
  double at(double x) const { return slope == 0 ? constant : slope * x; }
};
struct Point {
  double x, y, slope;
};
struct Limits {
  Tail below, above;
  std::vector<Point> points;  ///< kinks, and zero
};

const std::map<std::string, Limits> kActivations = {
    {"relu", {{0, 0}, {0, 1}, {{0, 0, 0}}}},
    {"relu6", {{0, 0}, {6, 0}, {{0, 0, 0}, {6, 6, 0}, {3, 3, 1}}}},
    {"leaky_relu", {{0, 0.01}, {0, 1}, {{0, 0, 0.01}}}},
    {"leaky_relu/steep", {{0, 0.3}, {0, 1}, {{0, 0, 0.3}}}},
    {"leaky_relu/slope 0", {{0, 0}, {0, 1}, {{0, 0, 0}, {-1, 0, 0}}}},
    {"elu", {{-1, 0}, {0, 1}, {{0, 0, 1}}}},
    {"elu/alpha", {{-0.3, 0}, {0, 1}, {{0, 0, 0.3}}}},
    {"elu/alpha 0", {{0, 0}, {0, 1}, {{0, 0, 0}}}},
    {"selu", {{-1.7580993408473766, 0}, {0, 1.0507009873554805}, {{0, 0, 1.7580993408473766}}}},
    {"gelu", {{0, 0}, {0, 1}, {{0, 0, 0.5}}}},
    {"gelu/exact", {{0, 0}, {0, 1}, {{0, 0, 0.5}}}},
    {"silu", {{0, 0}, {0, 1}, {{0, 0, 0.5}}}},
    {"mish", {{0, 0}, {0, 1}, {{0, 0, 0.6}}}},
    {"softplus", {{0, 0}, {0, 1}, {{0, 0.693147180559945, 0.5}}}},
    {"softplus/beta",
     {{0, 0}, {0, 1}, {{0, 0.346573590279973, 0.5}, {1.5, 1.524293675786871, 0.952574126822433}}}},
    {"softplus/beta 10", {{0, 0}, {0, 1}, {{0, 0.0693147180559945, 0.5}}}},
    {"softplus/threshold inf", {{0, 0}, {0, 1}, {{0, 0.693147180559945, 0.5}}}},
    {"sigmoid", {{0, 0}, {1, 0}, {{0, 0.5, 0.25}}}},
    {"tanh", {{-1, 0}, {1, 0}, {{0, 0, 1}}}},
    {"hard_sigmoid", {{0, 0}, {1, 0}, {{-3, 0, 0}, {3, 1, 0}, {0, 0.5, 1.0 / 6}}}},
    {"hard_swish", {{0, 0}, {0, 1}, {{-3, 0, 0}, {3, 3, 1}, {0, 0, 0.5}}}},
    {"hard_tanh", {{-1, 0}, {1, 0}, {{-1, -1, 0}, {1, 1, 0}, {0, 0, 1}}}},
    {"hard_tanh/bounds", {{-0.25, 0}, {1.5, 0}, {{-0.25, -0.25, 0}, {1.5, 1.5, 0}, {0, 0, 1}}}},
};

std::vector<LayerCase> activation_cases() {
  std::vector<LayerCase> cases = cases_of<Pointwise>();
  cases.push_back(case_with("leaky_relu", "slope", 0));
  cases.push_back(case_with("elu", "alpha", 0));
  cases.push_back(case_with("softplus", "beta", 10));
  cases.push_back(case_with("softplus", "threshold", kInfinity));
  return cases;
}

template <class T>
void check_activation(const LayerCase& layer_case, const Limits& shape) {
  Element<T> element(layer_case);
  const auto check = [&](double x, double y, double slope) {
    const std::string where = str(name(kDTypeOf<T>), " at ", x);
    element.run({x});
    element.expect_output(y, where);
    element.expect_gradient(0, slope, where);
  };
  for (const double far : {2e4, largest<T>() / 2, largest<T>(), kInfinity}) {
    check(-far, shape.below.at(-far), shape.below.slope);
    check(far, shape.above.at(far), shape.above.slope);
  }
  for (const Point& point : shape.points) {
    check(point.x, point.y, point.slope);
    if (point.x == 0) check(-0.0, point.y, point.slope);
  }
  element.run({std::nan("")});
  EXPECT_TRUE(std::isnan(element.output())) << "NaN must not be lost";
}

class ActivationLimits : public testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }
};

TEST_P(ActivationLimits, AreThoseOfTheFunction) {
  const auto found = kActivations.find(GetParam().name);
  ASSERT_NE(found, kActivations.end()) << "enter its tails and kinks in kActivations";
  check_activation<float>(GetParam(), found->second);
  check_activation<double>(GetParam(), found->second);
  check_activation<float16>(GetParam(), found->second);
  check_activation<bfloat16>(GetParam(), found->second);
}

INSTANTIATE_TEST_SUITE_P(Layers, ActivationLimits, testing::ValuesIn(activation_cases()),
                         case_test_name);

// ------------------------------------------------------------------------------------------ losses

using Numbers = std::vector<double>;
using Function = std::function<double(double x, double t)>;

/// A loss and its derivatives in float64, with 0 times infinity 0, and where they are looked at;
/// the largest number of the type is written as kLargest.
struct LossLimits {
  Function loss, of_x, of_t;
  Numbers x, t;
};

constexpr double kLargest = 1e300;  // stands for it; of either sign

double weighted(double weight, double value) { return weight == 0 ? 0 : weight * value; }
double sign(double d) { return d > 0 ? 1 : d < 0 ? -1 : 0; }
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

LossLimits of_difference(const std::function<double(double)>& loss,
                         const std::function<double(double)>& slope, const Numbers& kinks) {
  Numbers x = {-kInfinity, -kLargest, -1e4, -1, -0.0, 0, 1, 1e4, kLargest, kInfinity};
  for (double kink : kinks) x.insert(x.end(), {kink, -kink});
  return {[=](double x, double t) { return loss(x - t); },
          [=](double x, double t) { return slope(x - t); },
          [=](double x, double t) { return -slope(x - t); },
          x,
          {0, -0.0}};
}

/// A parabola of this curvature up to `bend`, then a line.
LossLimits bent(double bend, double curvature) {
  return of_difference(
      [=](double d) {
        const double size = std::abs(d);
        return size <= bend ? 0.5 * curvature * size * size
                            : curvature * bend * (size - 0.5 * bend);
      },
      [=](double d) { return std::abs(d) <= bend ? curvature * d : curvature * bend * sign(d); },
      {bend});
}

LossLimits binary(double pos_weight) {
  return {[=](double x, double t) {
            return weighted(pos_weight * t, softplus(-x)) + weighted(1 - t, softplus(x));
          },
          [=](double x, double t) {
            return (1 - t) / (1 + std::exp(-x)) - pos_weight * t / (1 + std::exp(x));
          },
          [=](double x, double) { return weighted(pos_weight, softplus(-x)) - softplus(x); },
          {-kInfinity, -kLargest, -1e4, -1, 0, 1, 1e4, kLargest, kInfinity},
          {0, 0.5, 1}};
}

const LossLimits kKl = {
    [](double x, double t) { return t == 0 ? 0 : t * (std::log(t) - x); },
    [](double, double t) { return -t; },
    [](double x, double t) { return t == 0 ? 0 : std::log(t) + 1 - x; },  // at 0 by convention
    {-kInfinity, -kLargest, -1e4, -1, 0},
    {0, 0.5, 1}};
const LossLimits kKlOfLogs = {[](double x, double t) { return weighted(std::exp(t), t - x); },
                              [](double, double t) { return -std::exp(t); },
                              [](double x, double t) { return weighted(std::exp(t), t - x + 1); },
                              {-kInfinity, -kLargest, -1e4, -1, 0},
                              {-kInfinity, -kLargest, -1e4, -1, 0}};

const std::map<std::string, LossLimits> kLosses = {
    {"mse", of_difference([](double d) { return d * d; }, [](double d) { return 2 * d; }, {})},
    {"l1", of_difference([](double d) { return std::abs(d); }, sign, {})},
    {"huber", bent(1, 1)},
    {"huber/other delta", bent(0.4, 1)},
    {"huber/delta 1000", bent(1000, 1)},
    {"smooth_l1", bent(1, 1)},
    {"smooth_l1/other beta", bent(0.4, 2.5)},
    {"smooth_l1/beta 1000", bent(1000, 0.001)},
    {"smooth_l1/beta 1e-40", of_difference([](double d) { return std::abs(d); }, sign, {})},
    {"bce_with_logits", binary(1)},
    {"bce_with_logits/pos_weight", binary(2.5)},
    {"bce_with_logits/pos_weight 1000", binary(1000)},
    {"bce_with_logits/pos_weight 0", binary(0)},
    {"kl_divergence", kKl},
    {"kl_divergence/log target", kKlOfLogs},
};

std::vector<LayerCase> loss_cases() {
  std::vector<LayerCase> cases = cases_of<PointwiseLoss>();
  cases.push_back(case_with("huber", "delta", 1000));
  cases.push_back(case_with("smooth_l1", "beta", 1000));
  cases.push_back(case_with("smooth_l1", "beta", 1e-40));
  cases.push_back(case_with("bce_with_logits", "pos_weight", 1000));
  cases.push_back(case_with("bce_with_logits", "pos_weight", 0));
  return cases;
}

/// "huber/sum" as "huber": reductions share their limits.
std::string without_reduction(std::string name) {
  for (const char* const reduction : {"/sum", "/none", "/batchmean"})
    if (name.ends_with(reduction)) name.resize(name.size() - std::string(reduction).size());
  return name;
}

template <class T>
void check_loss(const LayerCase& layer_case, const LossLimits& limits) {
  Element<T> element(layer_case);
  // Of the numbers as T has them.
  const auto in_type = [](double value) {
    if (std::abs(value) == kLargest) value = std::copysign(largest<T>(), value);
    return to_double(from_double<T>({value}))[0];
  };
  for (const double written_x : limits.x)
    for (const double written_t : limits.t) {
      const double x = in_type(written_x), t = in_type(written_t);
      const std::string where = str(name(kDTypeOf<T>), " at ", x, ", target ", t);
      element.run({x, t});
      element.expect_output(limits.loss(x, t), where);
      element.expect_gradient(0, limits.of_x(x, t), where);
      element.expect_gradient(1, limits.of_t(x, t), where + ", target's");
    }
  element.run({std::nan(""), in_type(limits.t.back())});
  EXPECT_TRUE(std::isnan(element.output())) << "NaN must not look like no error";
}

class LossLimitsTest : public testing::TestWithParam<LayerCase> {
 protected:
  void SetUp() override { ADJOINT_REQUIRE_DEVICE(); }
};

TEST_P(LossLimitsTest, AreThoseOfTheLoss) {
  const auto found = kLosses.find(without_reduction(GetParam().name));
  ASSERT_NE(found, kLosses.end()) << "enter it in kLosses";
  check_loss<float>(GetParam(), found->second);
  check_loss<double>(GetParam(), found->second);
  check_loss<float16>(GetParam(), found->second);
  check_loss<bfloat16>(GetParam(), found->second);
}

INSTANTIATE_TEST_SUITE_P(Layers, LossLimitsTest, testing::ValuesIn(loss_cases()), case_test_name);

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
