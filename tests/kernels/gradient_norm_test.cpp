#include "kernels/gradient_norm.h"

#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "support/expect_error.h"
#include "support/slab.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

/// Everything one call needs beside the gradient.
struct Step {
  explicit Step(Context& context)
      : context(context),
        state(context, std::vector<UpdateState>(1)),
        workspace(context, std::vector<StepWorkspace>(1)),
        random_step(context, std::vector<std::uint64_t>(1)),
        totals(context, std::vector<float>{6.5f, 8, 5}),
        ring(4 * sizeof(StepRecord)) {
    call.totals = flat(totals);
    call.schedule = {.kind = Schedule::Kind::constant, .base = 0.25};
    call.state = state.data();
    call.workspace = workspace.data();
    call.random_step = random_step.data();
    call.ring = {static_cast<StepRecord*>(ring.data()), 4};
  }

  template <class T>
  UpdateState run(const DeviceVector<T>& gradient) {
    call.gradient = flat(gradient);
    gradient_norm(context.stream(), call);
    return state.download()[0];
  }
  const StepRecord& record(std::size_t i) const { return call.ring[i]; }

  Context& context;
  DeviceVector<UpdateState> state;
  DeviceVector<StepWorkspace> workspace;
  DeviceVector<std::uint64_t> random_step;
  DeviceVector<float> totals;
  PinnedBuffer ring;
  GradientNorm call;
};

using GradientNormTest = SlabTest;

template <class T>
void expect_norm(Context& context, std::int64_t count, double tolerance) {
  const std::vector<T> values = draw<T>(count, unsigned(count) + 7);
  long double sum = 0;
  for (T value : values) sum += static_cast<long double>(value) * value;
  const double expected = double(std::sqrt(sum)) / 8;
  const DeviceVector<T> gradient(context, values);
  Step step(context);
  for (std::uint64_t pass : {1, 2}) {  // the second finds the counter of blocks reset
    const UpdateState state = step.run(gradient);
    EXPECT_LE(std::abs(state.gradient_norm - expected), tolerance * expected)
        << count << " elements of " << name(kDTypeOf<T>);
    EXPECT_EQ(state.finite, 1u);
    EXPECT_EQ(state.step, pass);
    EXPECT_EQ(state.gradient_scale, 1.0 / 8);
  }
}

TEST_F(GradientNormTest, AgreesWithAnExactSum) {
  with_both_blocks([&] {
    for (std::int64_t count : kSlabSizes) {
      expect_norm<float>(context(), count, 1e-14);
      expect_norm<double>(context(), count, 1e-14);
      expect_norm<bfloat16>(context(), count, 1e-14);
      expect_norm<float16>(context(), count, 1e-14);
    }
  });
}

template <class T>
void expect_equal_halves(Context& context, std::int64_t count) {
  const DeviceVector<T> gradient(context, draw<T>(count, unsigned(count) + 3));
  Step whole(context), halves(context);
  whole.call.clip_norm = halves.call.clip_norm = 0.5;
  for (int pass = 0; pass < 2; ++pass) {
    whole.run(gradient);
    halves.call.gradient = flat(gradient);
    sum_squares(context.stream(), halves.call.gradient, halves.call.workspace);
    end_step(context.stream(), halves.call);
    EXPECT_TRUE(same_bits(whole.state.download(), halves.state.download()))
        << count << " elements of " << name(kDTypeOf<T>);
    EXPECT_EQ(whole.random_step.download(), halves.random_step.download());
    using Words = std::array<std::uint64_t, sizeof(StepRecord) / sizeof(std::uint64_t)>;
    EXPECT_EQ(std::bit_cast<Words>(whole.record(pass)), std::bit_cast<Words>(halves.record(pass)));
  }
}

TEST_F(GradientNormTest, ItsHalvesLeaveTheSameBits) {
  with_both_blocks([&] {
    for (std::int64_t count : kSlabSizes) {
      expect_equal_halves<float>(context(), count);
      expect_equal_halves<double>(context(), count);
      expect_equal_halves<bfloat16>(context(), count);
      expect_equal_halves<float16>(context(), count);
    }
  });
}

TEST_F(GradientNormTest, TheSecondHalfTakesTheSumThatItFinds) {
  const DeviceVector<float> gradient(context(), std::vector<float>(16, 2));
  Step step(context());
  step.call.gradient = flat(gradient);
  sum_squares(context().stream(), step.call.gradient, step.call.workspace);
  EXPECT_EQ(step.workspace.download()[0].sum_of_squares, 64);
  auto* const sum = &step.call.workspace->sum_of_squares;
  const double both = 256;  // as if another rank had brought 192
  copy_to_device(context().stream(), sum, &both, sizeof both);
  end_step(context().stream(), step.call);
  EXPECT_EQ(step.state.download()[0].gradient_norm, 2);  // sqrt(256) over 8 samples
  EXPECT_EQ(step.record(0).gradient_norm, 2);
}

// Of a sum that is not divided, over two batches of an update: counts are added up for the record,
// and divide nothing.
TEST_F(GradientNormTest, TotalsOfFourNumbersDivideNothing) {
  const DeviceVector<float> gradient(context(), std::vector<float>(16, 2));
  const DeviceVector<float> totals(context(), std::vector<float>{6.5f, 8, 5, 1});
  for (const bool earlier : {false, true}) {
    Step step(context());
    step.call.totals = flat(totals);
    if (earlier) step.workspace.upload({StepWorkspace{.totals = {1.5, 4, 2}}});
    const UpdateState state = step.run(gradient);
    EXPECT_EQ(state.gradient_norm, 8);
    EXPECT_EQ(state.gradient_scale, 1);
    context().stream().synchronize();
    EXPECT_EQ(step.record(0).loss_sum, earlier ? 8 : 6.5);
    EXPECT_EQ(step.record(0).valid_count, earlier ? 12 : 8);
    EXPECT_EQ(step.record(0).correct_count, earlier ? 7 : 5);
  }
}

TEST_F(GradientNormTest, MoreThanOnePieceForEachBlock) {
  const std::int64_t count = std::int64_t{kGradientNormBlocks} * 4096 + 4099;
  expect_norm<float>(context(), count, 1e-13);
  const GpuBlocks blocks;
  expect_norm<float>(context(), count, 1e-13);
}

TEST_F(GradientNormTest, NeitherOverflowsNorVanishes) {
  for (float value : {1e30f, 3e38f, 1e-30f, 1e-40f}) {
    const DeviceVector<float> gradient(context(), std::vector<float>(10000, value));
    const UpdateState state = Step(context()).run(gradient);
    const double expected = 100.0 * double(value) / 8;
    EXPECT_LE(std::abs(state.gradient_norm - expected), 1e-13 * expected) << value;
    EXPECT_EQ(state.finite, 1u);
  }
}

TEST_F(GradientNormTest, OneBadElementAnywhereSkipsTheStep) {
  const float bad[] = {std::numeric_limits<float>::quiet_NaN(),
                       std::numeric_limits<float>::infinity(),
                       -std::numeric_limits<float>::infinity()};
  with_both_blocks([&] {
    for (float value : bad) {
      for (std::size_t place : {0, 4095, 4096, 9999, 10002}) {
        std::vector<float> values(10003, 0.5f);
        values[place] = value;
        const DeviceVector<float> gradient(context(), values);
        Step step(context());
        step.call.clip_norm = 1;
        const UpdateState state = step.run(gradient);
        EXPECT_EQ(state.finite, 0u) << value << " at " << place;
        EXPECT_EQ(state.step, 0u);
        EXPECT_EQ(state.skipped, 1u);
        EXPECT_EQ(state.bias_correction1, 0);
        EXPECT_EQ(step.record(0).skipped, 1u);
        EXPECT_EQ(step.record(0).sequence, 1u);
      }
    }
  });
}

TEST_F(GradientNormTest, SkipsWithoutValidSamplesAndAboveTheLargestNorm) {
  const DeviceVector<float> gradient(context(), std::vector<float>{3, 4});
  Step step(context());
  for (float count : {0.0f, -1.0f, std::numeric_limits<float>::quiet_NaN()}) {
    step.totals.upload({1, count, 0});
    EXPECT_EQ(step.run(gradient).finite, 0u) << count;
  }
  step.totals.upload({1, 1, 0});
  step.call.largest_norm = 4.99;
  EXPECT_EQ(step.run(gradient).finite, 0u);
  step.call.clip_norm = 4.5;  // what is applied counts, not what was found
  EXPECT_EQ(step.run(gradient).finite, 1u);
}

TEST_F(GradientNormTest, ClipsToTheNorm) {
  const DeviceVector<float> gradient(context(), std::vector<float>{24, 32});  // mean: norm 5
  Step step(context());
  step.call.clip_norm = 2;
  EXPECT_EQ(step.run(gradient).gradient_scale, 2.0 / 5 / 8);
  EXPECT_EQ(step.state.download()[0].gradient_norm, 5);
  step.call.clip_norm = 5;
  EXPECT_EQ(step.run(gradient).gradient_scale, 1.0 / 8);
  step.call.clip_norm = 6;
  EXPECT_EQ(step.run(gradient).gradient_scale, 1.0 / 8);
  step.call.loss_scale = 4;
  step.call.clip_norm = 1;
  EXPECT_EQ(step.run(gradient).gradient_scale, 1 / 1.25 / 32);
  EXPECT_EQ(step.state.download()[0].gradient_norm, 1.25);
}

TEST_F(GradientNormTest, AdvancesCountersCorrectionsAndTheRing) {
  const DeviceVector<float> gradient(context(), std::vector<float>{3, 4, 0});
  Step step(context());
  step.call.beta1 = 0.9;
  step.call.beta2 = 0.99;
  step.call.schedule = {.kind = Schedule::Kind::cosine, .base = 1, .final = 0, .total_steps = 10};
  for (int t = 1; t <= 6; ++t) {
    StepWorkspace workspace = step.workspace.download()[0];
    EXPECT_EQ(workspace.arrived, 0u);
    workspace.totals[0] = 1;  // as an earlier micro-step would leave them
    workspace.totals[1] = 2;
    workspace.totals[2] = 3;
    step.workspace.upload({workspace});
    const UpdateState state = step.run(gradient);
    EXPECT_EQ(state.step, std::uint64_t(t));
    EXPECT_EQ(state.learning_rate, learning_rate(step.call.schedule, std::uint64_t(t - 1)));
    EXPECT_NEAR(state.bias_correction1, 1 - std::pow(0.9, t), 1e-15);
    EXPECT_NEAR(state.bias_correction2, 1 - std::pow(0.99, t), 1e-15);
    EXPECT_DOUBLE_EQ(state.first_factor, 1 / state.bias_correction1);
    EXPECT_DOUBLE_EQ(state.second_factor, 1 / std::sqrt(state.bias_correction2));
    EXPECT_EQ(step.random_step.download()[0], std::uint64_t(t));
    workspace = step.workspace.download()[0];
    for (double total : workspace.totals) EXPECT_EQ(total, 0);
    const StepRecord& record = step.record(std::size_t(t - 1) % 4);
    EXPECT_EQ(record.sequence, std::uint64_t(t));
    EXPECT_EQ(record.step, std::uint64_t(t));
    EXPECT_EQ(record.loss_sum, 7.5);
    EXPECT_EQ(record.valid_count, 10);
    EXPECT_EQ(record.correct_count, 8);
    EXPECT_EQ(record.learning_rate, state.learning_rate);
    EXPECT_EQ(record.gradient_norm, 0.5);
    EXPECT_EQ(record.skipped, 0u);
  }
}

TEST_F(GradientNormTest, RefusesTensorsThatDoNotFit) {
  Step step(context());
  const DeviceVector<float> gradient(context(), std::vector<float>(8));
  step.call.gradient = Tensor(gradient.data() + 1, DType::float32, {7});
  test::expect_error([&] { gradient_norm(context().stream(), step.call); },
                     {"gradient_norm: gradient", "aligned to 16 bytes"});
  step.call.gradient = Tensor(gradient.data(), DType::int32, {7});
  test::expect_error([&] { gradient_norm(context().stream(), step.call); },
                     {"floating gradient, got int32"});
  step.call.gradient = flat(gradient);
  step.call.totals = Tensor(step.totals.data(), DType::float32, {2});
  test::expect_error([&] { gradient_norm(context().stream(), step.call); },
                     {"totals", "float32 [3]", "float32 [2]"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
