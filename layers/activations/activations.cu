// Activations: what makes a layer of each functor, and how recipes name it.
#include "layers/activations/activations.h"

#include <limits>

#include "core/base/options.h"
#include "kernels/activation.h"
#include "layers/activations/pointwise.cuh"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

bool finite_and_not_negative(double value) {
  return value >= 0.0 && value < std::numeric_limits<double>::infinity();
}

}  // namespace

ReLU::ReLU() : Pointwise(pointwise("relu", Relu{}), ElementFunction::relu) {}
ReLU6::ReLU6() : Pointwise(pointwise("relu6", Relu6{})) {}
SELU::SELU() : Pointwise(pointwise("selu", Selu{})) {}
SiLU::SiLU() : Pointwise(pointwise("silu", Silu{})) {}
Mish::Mish() : Pointwise(pointwise("mish", MishFunction{})) {}
Sigmoid::Sigmoid() : Pointwise(pointwise("sigmoid", SigmoidFunction{})) {}
Tanh::Tanh() : Pointwise(pointwise("tanh", TanhFunction{})) {}
HardSigmoid::HardSigmoid() : Pointwise(pointwise("hard_sigmoid", HardSigmoidFunction{})) {}
HardSwish::HardSwish() : Pointwise(pointwise("hard_swish", HardSwishFunction{})) {}

GELU::GELU(Form form)
    : Pointwise(form == Form::tanh
                    ? Pointwise(pointwise("gelu", GeluTanh{}), ElementFunction::gelu_tanh)
                    : Pointwise(pointwise("gelu", GeluExact{}, "gelu(exact)"))) {}

LeakyReLU::LeakyReLU(double slope)
    : Pointwise(pointwise("leaky_relu", LeakyRelu{slope}, str("leaky_relu(", slope, ")"))) {
  ADJOINT_CHECK(finite_and_not_negative(slope), "leaky_relu: expected a slope of at least 0, got ",
                slope);
}

ELU::ELU(double alpha) : Pointwise(pointwise("elu", Elu{alpha}, str("elu(", alpha, ")"))) {
  ADJOINT_CHECK(finite_and_not_negative(alpha), "elu: expected an alpha of at least 0, got ",
                alpha);
}

Softplus::Softplus(double beta, double threshold)
    : Pointwise(pointwise("softplus", SoftplusFunction{beta, threshold},
                          str("softplus(", beta, ", ", threshold, ")"))) {
  ADJOINT_CHECK(beta > 0.0 && beta < std::numeric_limits<double>::infinity(),
                "softplus: expected a positive beta, got ", beta);
  ADJOINT_CHECK(threshold == threshold, "softplus: expected a threshold, got NaN");
}

HardTanh::HardTanh(double low, double high)
    : Pointwise(pointwise("hard_tanh", HardTanhFunction{low, high},
                          str("hard_tanh(", low, ", ", high, ")"))) {
  ADJOINT_CHECK(low < high, "hard_tanh: expected a low bound below the high one, got ", low,
                " and ", high);
}

namespace {

const bool kRegistered[] = {
    register_pointwise(ReLU()),
    register_pointwise(ReLU6(), 4.0),
    register_pointwise(SELU()),
    register_pointwise(SiLU()),
    register_pointwise(Mish()),
    register_pointwise(Sigmoid()),
    register_pointwise(Tanh()),
    register_pointwise(HardSigmoid(), 3.0),
    register_pointwise(HardSwish(), 3.0),
    register_pointwise(
        "gelu",
        [](Options& options) {
          // PyTorch's name and values for it.
          const bool exact = options.choice("approximate", "tanh", {"tanh", "none"}) == "none";
          return std::make_shared<GELU>(exact ? GELU::Form::exact : GELU::Form::tanh);
        },
        {pointwise_case("gelu", GELU()), pointwise_case("gelu/exact", GELU(GELU::Form::exact))}),
    register_pointwise("leaky_relu",
                       [](Options& options) {
                         const double slope = options.number("slope", 0.01);
                         options.require(slope >= 0.0, "slope", "a number of at least 0");
                         return std::make_shared<LeakyReLU>(slope);
                       },
                       {pointwise_case("leaky_relu", LeakyReLU()),
                        pointwise_case("leaky_relu/steep", LeakyReLU(0.3))}),
    register_pointwise("elu",
                       [](Options& options) {
                         const double alpha = options.number("alpha", 1.0);
                         options.require(alpha >= 0.0, "alpha", "a number of at least 0");
                         return std::make_shared<ELU>(alpha);
                       },
                       {pointwise_case("elu", ELU()), pointwise_case("elu/alpha", ELU(0.3))}),
    register_pointwise("softplus",
                       [](Options& options) {
                         const double beta = options.number("beta", 1.0);
                         options.require(beta > 0.0, "beta", "a positive number");
                         return std::make_shared<Softplus>(beta, options.number("threshold", 20.0));
                       },
                       {pointwise_case("softplus", Softplus(), 4.0),
                        pointwise_case("softplus/beta", Softplus(2.0, 3.0), 2.0)}),
    register_pointwise("hard_tanh",
                       [](Options& options) {
                         const double low = options.number("low", -1.0),
                                      high = options.number("high", 1.0);
                         options.require(low < high, "low", "a number below `high`");
                         return std::make_shared<HardTanh>(low, high);
                       },
                       {pointwise_case("hard_tanh", HardTanh()),
                        pointwise_case("hard_tanh/bounds", HardTanh(-0.25, 1.5))}),
};

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
