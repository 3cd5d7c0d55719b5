#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using SgdTest = SlabTest;

template <class T>
void expect_hundred_steps(Context& context, double momentum, double tolerance) {
  constexpr std::int64_t kCount = 1003;
  const std::vector<T> start = draw<T>(kCount, 11);
  Training<T> training(context, start);
  const Schedule schedule = cosine(0.1, 90, {.warmup_steps = 10, .final = 1e-3});
  Sgd optimizer(context, training.slab(), {.momentum = momentum, .weight_decay = 0.05},
                {.schedule = schedule});
  std::vector<double> p(start.begin(), start.end()), v(p.size());
  for (unsigned step = 0; step < 100; ++step) {
    const std::vector<T> gradient = draw<T>(kCount, 100 + step);
    training.set_gradient(gradient);
    optimizer.step(training.totals_tensor());
    for (std::size_t i = 0; i < p.size(); ++i) {
      v[i] = momentum * v[i] + double(gradient[i]) + 0.05 * p[i];
      p[i] -= learning_rate(schedule, step) * v[i];
    }
  }
  EXPECT_LE(relative_error(training.master.download(), p), tolerance);
}

TEST_F(SgdTest, AHundredStepsAgreeWithANaiveOne) {
  for (bool gpu : {false, true}) {
    const GpuBlocks blocks(gpu);
    for (double momentum : {0.0, 0.9}) {
      expect_hundred_steps<float>(context(), momentum, 2e-6);
      expect_hundred_steps<double>(context(), momentum, 1e-13);
    }
  }
}

TEST_F(SgdTest, AgreesWithPyTorch) {
  const auto make = [](const SgdOptions& options, const OptimizerOptions& common = {}) {
    return [options, common](Context& context, const ParameterSlab& slab) {
      return std::make_unique<Sgd>(context, slab, options, common);
    };
  };
  const SgdOptions momentum{.learning_rate = 0.05, .momentum = 0.9, .weight_decay = 0.01};
  const OptimizerOptions warmup{.schedule = constant(0.05, {.warmup_steps = 10})};
  expect_fixture<double>(context(), "sgd", 1e-13, make({.learning_rate = 0.01}));
  expect_fixture<double>(context(), "sgd_momentum", 1e-12, make(momentum));
  expect_fixture<float>(context(), "sgd_momentum_float32", 5e-6, make(momentum));
  expect_fixture<double>(context(), "sgd_warmup", 1e-12, make(momentum, warmup));
}

TEST_F(SgdTest, KeepsNoVelocityWithoutMomentum) {
  const Training<float> training(context(), std::vector<float>(1000));
  const auto owned = [&](const std::string& owner) {
    std::size_t bytes = 0;
    for (const auto& entry : context().memory().use().owners) {
      if (entry.name == owner) bytes += entry.bytes;
    }
    return bytes;
  };
  const Sgd plain(context(), training.slab());
  EXPECT_EQ(plain.state().size(), 1u);
  EXPECT_EQ(owned("SGD moments"), 0u);
  const Sgd momentum(context(), training.slab(), {.momentum = 0.5});
  ASSERT_EQ(momentum.state().size(), 2u);
  EXPECT_EQ(momentum.state()[1].name, "v");
  EXPECT_GE(owned("SGD moments"), 4000u);
}

TEST_F(SgdTest, ABadGradientIsSkipped) {
  Training<float> training(context(), {1, 2, 3, 4, 5});
  Sgd optimizer(context(), training.slab(), {.momentum = 0.9});
  training.set_gradient({1, 1, 1, 1, 1});
  optimizer.step(training.totals_tensor());
  const auto parameters = training.master.download();
  const auto v = bytes_of(context(), optimizer.state()[1].tensor);
  training.set_gradient({1, 1, 1, 1, NAN});
  optimizer.step(training.totals_tensor());
  EXPECT_TRUE(same_bits(training.master.download(), parameters));
  EXPECT_EQ(bytes_of(context(), optimizer.state()[1].tensor), v);
  training.set_gradient({1, 1, 1, 1, 1});
  optimizer.step(training.totals_tensor());
  EXPECT_NEAR(training.master.download()[4], 5 - 0.01 - 0.019, 1e-6);
}

TEST_F(SgdTest, RefusesOptionsOutOfRange) {
  const Training<float> training(context(), {1, 2, 3});
  for (double momentum : {-0.1, 1.0, std::nan("")}) {
    test::expect_error([&] { Sgd(context(), training.slab(), {.momentum = momentum}); },
                       {"SGD: expected momentum"});
  }
  test::expect_error([&] { Sgd(context(), training.slab(), {.weight_decay = -1}); },
                     {"SGD: expected a finite weight_decay"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
