// The loss scale on the device: losses read it, the optimizer divides it out and changes it.
#include <gtest/gtest.h>

#include <limits>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using LossScalingTest = SlabTest;

float scale_of(Context& context) {
  float scale = 0;
  copy_to_host(context.stream(), &scale, context.loss_scale(), sizeof scale);
  context.stream().synchronize();
  return scale;
}

/// Parameters whose float16 gradient is `mean` x samples x the scale at hand, as a loss makes it.
struct ScaledTraining {
  explicit ScaledTraining(Context& context)
      : context(context),
        master(context, std::vector<float>{1, 2, 3, 4}),
        gradient(context, 4),
        compute(context, std::vector<float16>(4)),
        totals(context, std::vector<float>{4, 8, 6}) {}
  ParameterSlab slab() const { return {flat(master), flat(gradient), flat(compute)}; }
  void set_gradient(float mean) {
    gradient.upload(std::vector<float16>(4, float16(mean * 8 * scale_of(context))));
  }

  Context& context;
  DeviceVector<float> master;
  DeviceVector<float16> gradient, compute;
  DeviceVector<float> totals;
};

const LossScaling kScaling{.dynamic = true, .growth_interval = 3, .smallest = 2, .largest = 8192};

TEST_F(LossScalingTest, AnOverflowIsSkippedAndRecoveredFrom) {
  ScaledTraining training(context());
  Sgd optimizer(context(), training.slab(), {.learning_rate = 0.5},
                {.loss_scale = 8192, .scaling = kScaling});
  EXPECT_EQ(scale_of(context()), 8192);
  // 8 samples of 1.5 at a scale of 8192 pass the largest float16, 65504, and at 4096 still.
  const float scales[] = {4096, 4096, 4096, 8192};
  training.set_gradient(1.5f);
  optimizer.step(flat(training.totals));
  EXPECT_EQ(scale_of(context()), scales[0]);
  EXPECT_EQ(training.master.download(), (std::vector<float>{1, 2, 3, 4}));
  for (int step = 1; step < 4; ++step) {
    training.set_gradient(0.5f);
    optimizer.step(flat(training.totals));
    EXPECT_EQ(scale_of(context()), scales[step]) << step;
    EXPECT_EQ(training.master.download()[0], 1 - 0.25f * float(step));
  }
  const auto records = optimizer.read_metrics();
  ASSERT_EQ(records.size(), 4u);
  const float carried[] = {8192, 4096, 4096, 4096};
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(records[i].loss_scale, carried[i]);
    EXPECT_EQ(records[i].skipped, i == 0 ? 1u : 0u);
    if (i == 0) continue;
    EXPECT_EQ(records[i].gradient_norm, 1.0);  // 4 elements of 0.5
  }
}

TEST_F(LossScalingTest, StaysBetweenItsBounds) {
  ScaledTraining training(context());
  Sgd optimizer(context(), training.slab(), {}, {.loss_scale = 4, .scaling = kScaling});
  training.gradient.upload(
      std::vector<float16>(4, float16(std::numeric_limits<float>::infinity())));
  for (int i = 0; i < 4; ++i) optimizer.step(flat(training.totals));
  EXPECT_EQ(scale_of(context()), 2);
  for (int i = 0; i < 3 * 15; ++i) {
    training.set_gradient(0.01f);
    optimizer.step(flat(training.totals));
  }
  EXPECT_EQ(scale_of(context()), 8192);
}

TEST_F(LossScalingTest, ABatchWithoutSamplesIsNotItsFault) {
  ScaledTraining training(context());
  Sgd optimizer(context(), training.slab(), {}, {.loss_scale = 64, .scaling = kScaling});
  training.set_gradient(0);
  training.totals.upload({0, 0, 0});
  optimizer.step(flat(training.totals));
  EXPECT_EQ(scale_of(context()), 64);
  EXPECT_EQ(optimizer.read_metrics().at(0).skipped, 1u);
}

// The loss is what it is before it is scaled: where it is not finite, a smaller scale mends
// nothing, and a bad sample met again and again would bring the scale to its floor.
TEST_F(LossScalingTest, ALossThatIsNotFiniteIsNotItsFault) {
  ScaledTraining training(context());
  Sgd optimizer(context(), training.slab(), {}, {.loss_scale = 64, .scaling = kScaling});
  for (const float loss :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    training.set_gradient(std::numeric_limits<float>::infinity());
    training.totals.upload({loss, 8, 6});
    optimizer.step(flat(training.totals));
    EXPECT_EQ(scale_of(context()), 64) << loss;
  }
  training.totals.upload({4, 8, 6});
  optimizer.step(flat(training.totals));
  EXPECT_EQ(scale_of(context()), 32);
  for (const StepRecord& record : optimizer.read_metrics()) EXPECT_EQ(record.skipped, 1u);
}

TEST_F(LossScalingTest, AStaticScaleIsDividedOutAndStays) {
  ScaledTraining training(context());
  Sgd optimizer(context(), training.slab(), {.learning_rate = 1}, {.loss_scale = 128});
  training.set_gradient(0.25f);
  for (int i = 0; i < 5; ++i) optimizer.step(flat(training.totals));
  EXPECT_EQ(training.master.download()[3], 4 - 5 * 0.25f);
  EXPECT_EQ(scale_of(context()), 128);
}

TEST_F(LossScalingTest, ReplaysEqualStepsThroughAnOverflow) {
  Context other;
  ScaledTraining plain(context()), captured(other);
  const OptimizerOptions options{.loss_scale = 8192, .scaling = kScaling};
  AdamW a(context(), plain.slab(), {}, options), b(other, captured.slab(), {}, options);
  other.stream().begin_capture();
  b.step(flat(captured.totals));
  const CapturedWork work = other.stream().end_capture();
  for (const float mean : {0.5f, 3.0f, 0.25f, 0.5f, 0.5f, 0.5f, 2.0f, 0.5f}) {
    plain.set_gradient(mean);
    a.step(flat(plain.totals));
    captured.set_gradient(mean);
    work.replay(other.stream());
    EXPECT_EQ(scale_of(context()), scale_of(other));
  }
  EXPECT_TRUE(same_bits(plain.master.download(), captured.master.download()));
  const auto records = b.read_metrics();
  ASSERT_EQ(records.size(), 8u);
  EXPECT_EQ(records[1].skipped, 1u);
}

TEST_F(LossScalingTest, RefusesOptionsOutOfRange) {
  const ScaledTraining training(context());
  const auto refuse = [&](double scale, const LossScaling& scaling, const std::string& part) {
    test::expect_error(
        [&] { Sgd(context(), training.slab(), {}, {.loss_scale = scale, .scaling = scaling}); },
        {"SGD: loss scaling", part});
  };
  const double nan = std::nan("");
  refuse(64, {.dynamic = true, .growth_interval = 0}, "growth_interval");
  for (double value : {0.0, 1.0, nan}) refuse(64, {.dynamic = true, .backoff = value}, "backoff");
  for (double value : {1.0, nan, double(INFINITY)})
    refuse(64, {.dynamic = true, .growth = value}, "growth");
  refuse(1, {.dynamic = true, .smallest = 2}, "smallest <= loss_scale <= largest");
  refuse(4, {.dynamic = true, .largest = 2}, "smallest <= loss_scale <= largest");
  refuse(4, {.dynamic = true, .smallest = nan}, "smallest");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
