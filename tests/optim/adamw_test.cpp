#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using AdamWTest = SlabTest;

/// AdamW as in the paper, in double, one element at a time, with clipping by global norm.
struct NaiveAdamW {
  std::vector<double> p, m, v;
  AdamWOptions options;
  OptimizerOptions common;
  int t = 0;

  template <class T>
  void step(const std::vector<T>& gradient) {
    double norm = 0;
    for (T g : gradient) norm += double(g) * double(g);
    norm = std::sqrt(norm);
    const double clip = common.clip_norm > 0 ? std::min(1.0, common.clip_norm / norm) : 1;
    const double rate = learning_rate(*common.schedule, std::uint64_t(t));
    ++t;
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double g = clip * double(gradient[i]);
      m[i] = options.beta1 * m[i] + (1 - options.beta1) * g;
      v[i] = options.beta2 * v[i] + (1 - options.beta2) * g * g;
      const double m_hat = m[i] / (1 - std::pow(options.beta1, t));
      const double v_hat = v[i] / (1 - std::pow(options.beta2, t));
      p[i] -= rate * (m_hat / (std::sqrt(v_hat) + options.epsilon) + options.weight_decay * p[i]);
    }
  }
};

template <class T>
void expect_hundred_steps(Context& context, double tolerance) {
  constexpr std::int64_t kCount = 1003;
  const std::vector<T> start = draw<T>(kCount, 11);
  Training<T> training(context, start);
  const AdamWOptions options{.beta1 = 0.85, .beta2 = 0.98, .weight_decay = 0.05};
  const OptimizerOptions common{.schedule = cosine(0.01, 90, {.warmup_steps = 10, .final = 1e-3}),
                                .clip_norm = 15};
  AdamW optimizer(context, training.slab(), options, common);
  NaiveAdamW naive{.p = {start.begin(), start.end()},
                   .m = std::vector<double>(kCount),
                   .v = std::vector<double>(kCount),
                   .options = options,
                   .common = common};
  for (unsigned step = 0; step < 100; ++step) {
    const std::vector<T> gradient = draw<T>(kCount, 100 + step);  // norm about 18
    training.set_gradient(gradient);
    optimizer.step(training.totals_tensor());
    naive.step(gradient);
  }
  EXPECT_LE(relative_error(training.master.download(), naive.p), tolerance);
}

TEST_F(AdamWTest, AHundredStepsAgreeWithANaiveOne) {
  expect_hundred_steps<float>(context(), 1e-6);
  expect_hundred_steps<double>(context(), 1e-13);
  const GpuBlocks blocks;
  expect_hundred_steps<float>(context(), 1e-6);
  expect_hundred_steps<double>(context(), 1e-13);
}

TEST_F(AdamWTest, AgreesWithPyTorch) {
  const auto plain = [](Context& context, const ParameterSlab& slab) {
    return std::make_unique<AdamW>(context, slab);
  };
  expect_fixture<double>(context(), "adamw", 1e-13, plain);
  expect_fixture<float>(context(), "adamw_float32", 4e-6, plain);
  expect_fixture<double>(
      context(), "adamw_cosine", 1e-12, [](Context& context, const ParameterSlab& slab) {
        return std::make_unique<AdamW>(
            context, slab,
            AdamWOptions{.beta1 = 0.8, .beta2 = 0.95, .epsilon = 1e-6, .weight_decay = 0.1},
            OptimizerOptions{.schedule = cosine(0.05, 100, {.final = 0.005})});
      });
}

TEST_F(AdamWTest, ABadGradientIsSkippedCountedAndForgotten) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(), 1e20f};
  const std::vector<float> start = draw<float>(77, 1);
  const auto good = [](int step) { return draw<float>(77, unsigned(50 + step)); };
  for (float value : bad) {
    Training<float> training(context(), start), healthy(context(), start);
    AdamW optimizer(context(), training.slab()), reference(context(), healthy.slab());
    for (int step = 0; step < 3; ++step) {
      training.set_gradient(good(step));
      optimizer.step(training.totals_tensor());
      const auto parameters = training.master.download();
      const auto m = bytes_of(context(), optimizer.state()[1].tensor);
      const auto v = bytes_of(context(), optimizer.state()[2].tensor);

      std::vector<float> gradient = good(9);
      gradient[std::size_t(step) * 31] = value;
      training.gradient.upload(gradient);
      training.totals.upload({1, 1, 0});
      optimizer.step(training.totals_tensor());
      EXPECT_TRUE(same_bits(training.master.download(), parameters)) << value;
      EXPECT_EQ(bytes_of(context(), optimizer.state()[1].tensor), m);
      EXPECT_EQ(bytes_of(context(), optimizer.state()[2].tensor), v);
      training.totals.upload({4, 8, 6});

      healthy.set_gradient(good(step));
      reference.step(healthy.totals_tensor());
    }
    EXPECT_TRUE(same_bits(training.master.download(), healthy.master.download()));
    const auto records = optimizer.read_metrics();
    ASSERT_EQ(records.size(), 6u);
    for (std::size_t i = 0; i < 6; ++i) {
      EXPECT_EQ(records[i].sequence, i + 1);
      EXPECT_EQ(records[i].skipped, i % 2);
      EXPECT_EQ(records[i].step, i / 2 + 1);
    }
  }
}

TEST_F(AdamWTest, AHugeGradientIsClippedRatherThanSkipped) {
  Training<float> training(context(), {1, 1, 1});
  AdamW optimizer(context(), training.slab(), {}, {.clip_norm = 1});
  training.gradient.upload({1e30f, 0, -1e30f});
  optimizer.step(training.totals_tensor());
  context().stream().synchronize();
  const auto records = optimizer.read_metrics();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].skipped, 0u);
  EXPECT_NEAR(records[0].gradient_norm / (std::sqrt(2.0) * 1e30 / 8), 1, 1e-7);
  const auto parameters = training.master.download();
  EXPECT_NEAR(parameters[0], (1 - 1e-5) - 1e-3, 1e-6);  // the first step is the rate's, by the sign
  EXPECT_NEAR(parameters[2], (1 - 1e-5) + 1e-3, 1e-6);
}

TEST_F(AdamWTest, RefusesOptionsOutOfRange) {
  const Training<float> training(context(), {1, 2, 3});
  const auto refuse = [&](const AdamWOptions& options, const std::string& part) {
    test::expect_error([&] { AdamW(context(), training.slab(), options); }, {"AdamW", part});
  };
  const auto refuse_common = [&](const OptimizerOptions& options, const std::string& part) {
    test::expect_error([&] { AdamW(context(), training.slab(), {}, options); }, {"AdamW", part});
  };
  const double nan = std::nan("");
  for (double beta : {-0.1, 1.0, nan}) {
    refuse({.beta1 = beta}, "beta1");
    refuse({.beta2 = beta}, "beta2");
  }
  for (double value : {-1e-9, nan, double(INFINITY)}) {
    refuse({.epsilon = value}, "epsilon");
    refuse({.weight_decay = value}, "weight_decay");
    refuse_common({.loss_scale = value}, "loss_scale");
  }
  refuse({.epsilon = 0}, "epsilon");
  refuse_common({.loss_scale = 0}, "loss_scale");
  refuse_common({.clip_norm = -1}, "clip_norm");
  refuse_common({.clip_norm = nan}, "clip_norm");
  test::expect_error([&] { AdamW(context(), training.slab(), {.learning_rate = -1}); },
                     {"learning rate of 0 or more, got -1"});
  test::expect_error([&] { AdamW(context(), {}); }, {"AdamW: expected parameters"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
