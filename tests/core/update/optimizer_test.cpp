#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using OptimizerTest = SlabTest;

constexpr std::int64_t kCount = 9001;

std::unique_ptr<Optimizer> make_optimizer(bool adamw, Context& context, const ParameterSlab& slab) {
  const OptimizerOptions common{.schedule = cosine(0.1, 20, {.warmup_steps = 5})};
  if (adamw) return std::make_unique<AdamW>(context, slab, AdamWOptions{}, common);
  return std::make_unique<Sgd>(context, slab, SgdOptions{.momentum = 0.9}, common);
}

TEST_F(OptimizerTest, ThreeReplaysEqualThreeSteps) {
  for (bool adamw : {true, false}) {
    const auto start = draw<float>(kCount, 1), gradient = draw<float>(kCount, 2);
    Training<float> plain(context(), start), captured(context(), start);
    const auto a = make_optimizer(adamw, context(), plain.slab());
    const auto b = make_optimizer(adamw, context(), captured.slab());
    plain.set_gradient(gradient);
    captured.set_gradient(gradient);
    for (int i = 0; i < 3; ++i) a->step(plain.totals_tensor());

    context().stream().begin_capture();
    b->step(captured.totals_tensor());
    const CapturedWork work = context().stream().end_capture();
    EXPECT_EQ(work.operations().size(), 2u);
    for (int i = 0; i < 3; ++i) work.replay(context().stream());

    EXPECT_TRUE(same_bits(plain.master.download(), captured.master.download())) << a->name();
    for (std::size_t i = 0; i < a->state().size(); ++i) {
      EXPECT_EQ(bytes_of(context(), a->state()[i].tensor),
                bytes_of(context(), b->state()[i].tensor))
          << a->name() << ": " << a->state()[i].name;
    }
    const auto records = b->read_metrics();
    ASSERT_EQ(records.size(), 3u);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_DOUBLE_EQ(records[i].learning_rate, 0.1 * double(i + 1) / 6);
    }
  }
}

TEST_F(OptimizerTest, MicroStepsWeighSamplesAlike) {
  // Three micro-steps of 2, 5 and 1 samples make the step of 8.
  Training<float> whole(context(), {1, 2, 3}), parts(context(), {1, 2, 3});
  Sgd a(context(), whole.slab()), b(context(), parts.slab());
  const std::uint64_t step_before = [&] {
    context().stream().synchronize();
    std::uint64_t step = 0;
    copy_to_host(context().stream(), &step, context().step(), sizeof step);
    context().stream().synchronize();
    return step;
  }();
  for (int round = 0; round < 2; ++round) {
    whole.gradient.upload({16, 8, -8});
    parts.gradient.upload({16, 8, -8});  // as the graph accumulates it
    whole.totals.upload({4, 8, 6});
    a.step(whole.totals_tensor());
    parts.totals.upload({1, 2, 2});
    b.accumulate(parts.totals_tensor());
    parts.totals.upload({2.5f, 5, 3});
    b.accumulate(parts.totals_tensor());
    parts.totals.upload({0.5f, 1, 1});
    b.step(parts.totals_tensor());
  }
  EXPECT_EQ(whole.master.download(), parts.master.download());
  EXPECT_FLOAT_EQ(parts.master.download()[0], 1 - 2 * 0.01f * 2);
  const auto records = b.read_metrics();
  ASSERT_EQ(records.size(), 2u);
  for (const StepRecord& record : records) {
    EXPECT_EQ(record.loss_sum, 4);
    EXPECT_EQ(record.valid_count, 8);
    EXPECT_EQ(record.correct_count, 6);
  }
  std::uint64_t step = 0;
  copy_to_host(context().stream(), &step, context().step(), sizeof step);
  context().stream().synchronize();
  EXPECT_EQ(step - step_before, 2u + 6u);  // every forward pass draws anew
}

TEST_F(OptimizerTest, MetricsLoseNothingThatIsReadInTime) {
  Training<float> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab());
  training.set_gradient({1, 1});
  std::vector<StepRecord> all;
  constexpr std::size_t kSteps = 2 * Optimizer::kRingSize + 500;
  for (std::size_t step = 1; step <= kSteps; ++step) {
    optimizer.step(training.totals_tensor());
    if (step % (Optimizer::kRingSize - 1) != 0 && step != kSteps) continue;
    context().stream().synchronize();
    const DeviceCounters before = device_counters();
    const auto records = optimizer.read_metrics();
    EXPECT_EQ(device_counters().synchronizations, before.synchronizations);
    EXPECT_EQ(device_counters().copies, before.copies);
    all.insert(all.end(), records.begin(), records.end());
  }
  ASSERT_EQ(all.size(), kSteps);
  for (std::size_t i = 0; i < kSteps; ++i) {
    ASSERT_EQ(all[i].sequence, i + 1);
    ASSERT_EQ(all[i].step, i + 1);
    ASSERT_EQ(all[i].loss_sum, 4);
  }
  EXPECT_EQ(optimizer.lost_records(), 0u);
  EXPECT_TRUE(optimizer.read_metrics().empty());
}

TEST_F(OptimizerTest, MetricsReadTooLateAreCountedAsLost) {
  Training<float> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab());
  training.set_gradient({1, 1});
  constexpr std::size_t kSteps = 2 * Optimizer::kRingSize + 7;
  for (std::size_t step = 0; step < kSteps; ++step) optimizer.step(training.totals_tensor());
  context().stream().synchronize();
  const auto records = optimizer.read_metrics();
  ASSERT_EQ(records.size(), Optimizer::kRingSize);
  EXPECT_EQ(optimizer.lost_records(), kSteps - Optimizer::kRingSize);
  EXPECT_EQ(records.front().sequence, kSteps - Optimizer::kRingSize + 1);
  EXPECT_EQ(records.back().sequence, kSteps);
}

TEST_F(OptimizerTest, AStepAllocatesNothingAndWaitsForNothing) {
  Training<float> training(context(), draw<float>(kCount, 1));
  AdamW optimizer(context(), training.slab());
  training.set_gradient(draw<float>(kCount, 2));
  optimizer.step(training.totals_tensor());
  const DeviceCounters before = device_counters();
  optimizer.accumulate(training.totals_tensor());
  optimizer.step(training.totals_tensor());
  const DeviceCounters after = device_counters();
  EXPECT_EQ(after.launches - before.launches, 3u);
  EXPECT_EQ(after.copies, before.copies);
  EXPECT_EQ(after.allocations, before.allocations);
  EXPECT_EQ(after.synchronizations, before.synchronizations);
}

TEST_F(OptimizerTest, AStepInHalvesEqualsAStep) {
  for (const bool adamw : {true, false}) {
    const auto start = draw<float>(kCount, 1);
    Training<float> whole(context(), start), halves(context(), start), captured(context(), start);
    const auto a = make_optimizer(adamw, context(), whole.slab());
    const auto b = make_optimizer(adamw, context(), halves.slab());
    const auto c = make_optimizer(adamw, context(), captured.slab());
    const CapturedWork work = capture(context().stream(), [&] {
      c->begin_step();
      c->end_step(captured.totals_tensor());
    });
    EXPECT_EQ(work.operations().size(), 3u);
    for (unsigned step = 0; step < 3; ++step) {
      auto gradient = draw<float>(kCount, step + 2);
      if (step == 1) gradient[7] = std::numeric_limits<float>::infinity();  // skipped by all
      for (Training<float>* each : {&whole, &halves, &captured}) each->set_gradient(gradient);
      a->step(whole.totals_tensor());
      b->begin_step();
      b->end_step(halves.totals_tensor());
      work.replay(context().stream());
    }
    for (const Training<float>* each : {&halves, &captured})
      EXPECT_TRUE(same_bits(whole.master.download(), each->master.download())) << a->name();
    const auto records = a->read_metrics(), same = b->read_metrics();
    ASSERT_EQ(records.size(), same.size());
    EXPECT_EQ(std::memcmp(records.data(), same.data(), records.size() * sizeof(StepRecord)), 0);
    EXPECT_EQ(records[1].skipped, 1u);
  }
}

// As two ranks would that hold a part each: sums of their parts, added up between the halves.
TEST_F(OptimizerTest, SumsOfPartsMakeTheNorm) {
  constexpr std::int64_t kCut = 70 * kParameterAlignment;
  const auto sum = [](const DeviceVector<float>& values, std::int64_t begin, std::int64_t end) {
    double squares = 0;
    const auto all = values.download();
    for (std::int64_t i = begin; i < end; ++i) squares += double(all[i]) * double(all[i]);
    return squares;
  };
  Training<float> training(context(), draw<float>(kCount, 1));
  training.set_gradient(draw<float>(kCount, 2));
  Sgd optimizer(context(), training.slab());
  Stream& stream = context().stream();
  double parts[2] = {};
  const Tensor squares = optimizer.begin_step(0, kCut);
  EXPECT_EQ(squares.type(), (TensorType{DType::float64, {1}}));
  copy_to_host(stream, &parts[0], squares.data(), sizeof(double));
  optimizer.begin_step(kCut, kCount);
  copy_to_host(stream, &parts[1], squares.data(), sizeof(double));
  stream.synchronize();
  EXPECT_NEAR(parts[0] / sum(training.gradient, 0, kCut), 1, 1e-14);
  EXPECT_NEAR(parts[1] / sum(training.gradient, kCut, kCount), 1, 1e-14);
  const double both = parts[0] + parts[1];
  copy_to_device(stream, squares.data(), &both, sizeof both);
  optimizer.end_step(training.totals_tensor());
  stream.synchronize();
  EXPECT_DOUBLE_EQ(optimizer.read_metrics().at(0).gradient_norm, std::sqrt(both) / 8);
}

TEST_F(OptimizerTest, HalvesThatDoNotFitAreRefused) {
  Training<float> training(context(), draw<float>(200, 1));
  training.set_gradient(draw<float>(200, 2));
  Sgd optimizer(context(), training.slab());
  const auto end = [&] { optimizer.end_step(training.totals_tensor()); };
  test::expect_error(end, {"SGD", "begin_step() before end_step()"});
  test::expect_error([&] { optimizer.begin_step(0, 201); }, {"within [0, 200)", "[0, 201)"});
  test::expect_error([&] { optimizer.begin_step(-64, 64); }, {"within [0, 200)", "[-64, 64)"});
  test::expect_error([&] { optimizer.begin_step(128, 64); }, {"[128, 64)"});
  test::expect_error([&] { optimizer.begin_step(3, 64); }, {"multiple of 64 elements, got 3"});
  test::expect_error(end, {"begin_step() before end_step()"});
  optimizer.begin_step();
  optimizer.step(training.totals_tensor());  // both halves: the one begun is forgotten
  test::expect_error(end, {"begin_step() before end_step()"});
}

TEST_F(OptimizerTest, HalvesWithoutACheckLookAtNothing) {
  Training<float> training(context(), {1, 2});
  training.set_gradient({1, std::numeric_limits<float>::infinity()});
  Sgd optimizer(context(), training.slab(), {}, {.check_gradient = false});
  optimizer.begin_step();
  optimizer.end_step(training.totals_tensor());
  context().stream().synchronize();
  EXPECT_EQ(optimizer.read_metrics().at(0).skipped, 0u);
}

TEST_F(OptimizerTest, SavedStateContinuesBitForBit) {
  for (bool adamw : {true, false}) {
    Training<float> first(context(), draw<float>(kCount, 1));
    const auto a = make_optimizer(adamw, context(), first.slab());
    for (unsigned step = 0; step < 3; ++step) {
      first.set_gradient(draw<float>(kCount, step));
      a->step(first.totals_tensor());
    }
    Training<float> second(context(), first.master.download());
    const auto b = make_optimizer(adamw, context(), second.slab());
    ASSERT_EQ(a->state().size(), b->state().size());
    for (std::size_t i = 0; i < a->state().size(); ++i) {
      EXPECT_EQ(a->state()[i].name, b->state()[i].name);
      copy_on_device(context().stream(), b->state()[i].tensor.data(), a->state()[i].tensor.data(),
                     a->state()[i].tensor.bytes());
    }
    for (unsigned step = 3; step < 6; ++step) {
      first.set_gradient(draw<float>(kCount, step));
      second.set_gradient(draw<float>(kCount, step));
      a->step(first.totals_tensor());
      b->step(second.totals_tensor());
    }
    EXPECT_TRUE(same_bits(first.master.download(), second.master.download())) << a->name();
    const auto records = b->read_metrics();
    ASSERT_EQ(records.size(), 3u);  // sequence numbers are this run's, steps the model's
    EXPECT_EQ(records[0].sequence, 1u);
    EXPECT_EQ(records[0].step, 4u);
  }
}

TEST_F(OptimizerTest, RepeatsBitForBit) {
  std::vector<float> results[2];
  for (auto& result : results) {
    Training<float> training(context(), draw<float>(100003, 1));
    AdamW optimizer(context(), training.slab(), {}, {.clip_norm = 0.5});
    for (unsigned step = 0; step < 3; ++step) {
      training.set_gradient(draw<float>(100003, step));
      optimizer.step(training.totals_tensor());
    }
    result = training.master.download();
  }
  EXPECT_TRUE(same_bits(results[0], results[1]));
}

TEST_F(OptimizerTest, MemoryIsOwnedByName) {
  const Training<float> training(context(), std::vector<float>(1000));
  const AdamW optimizer(context(), training.slab());
  ASSERT_EQ(optimizer.state().size(), 3u);
  EXPECT_EQ(optimizer.state()[0].name, "update_state");
  EXPECT_EQ(optimizer.state()[1].name, "m");
  EXPECT_EQ(optimizer.state()[2].name, "v");
  bool found = false;
  for (const auto& owner : context().memory().use().owners) {
    found = found || (owner.name == "AdamW moments" && owner.bytes >= 8000);
  }
  EXPECT_TRUE(found);
}

TEST_F(OptimizerTest, RefusesSlabsThatDoNotFit) {
  const Training<float> training(context(), {1, 2, 3, 4});
  ParameterSlab slab = training.slab();
  slab.gradient = slab.gradient.first(3);
  test::expect_error([&] { Sgd(context(), slab); }, {"SGD: expected a gradient", "[4]", "[3]"});
  slab = training.slab();
  slab.compute = training.totals_tensor();
  test::expect_error([&] { Sgd(context(), slab); }, {"SGD: expected a compute copy", "[4]", "[3]"});
}

/// validation_loss() of fixtures.py.
double validation_loss(int step) { return 1.0 / (1 + step) + (step > 20 ? 0.02 * (step % 7) : 0); }

TEST_F(OptimizerTest, APlateauFallsAsPyTorchsDoesAlsoInReplays) {
  Training<double> training(context(), {1, 2});
  Sgd optimizer(
      context(), training.slab(), {},
      {.schedule = plateau(
           0.4, {.factor = 0.5, .patience = 3, .cooldown = 2, .threshold = 1e-2, .final = 0.003})});
  training.set_gradient({0, 0});
  context().stream().begin_capture();
  optimizer.step(training.totals_tensor());
  const CapturedWork work = context().stream().end_capture();
  std::ifstream file(source_folder() / "tests/optim/fixtures.txt");
  std::string line, word;
  std::istringstream words;
  int count = 0;
  while (word != "schedule_plateau" && std::getline(file, line)) {
    words = std::istringstream(line);
    words >> word >> count;
  }
  ASSERT_EQ(count, 120);
  for (int step = 0; step < count; ++step) {
    work.replay(context().stream());
    optimizer.observe(validation_loss(step));
    double expected = 0;
    ASSERT_TRUE(words >> expected);
    context().stream().synchronize();
    EXPECT_DOUBLE_EQ(optimizer.read_metrics().at(0).learning_rate, expected) << step;
  }
}

TEST_F(OptimizerTest, APlateauOfLossesBelowZeroKeepsItsMargin) {
  Training<double> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab(), {},
                {.schedule = plateau(1.0, {.factor = 0.5, .patience = 0, .threshold = 0.1})});
  training.set_gradient({0, 0});
  std::vector<double> rates;
  for (const double loss : {-1.0, -0.95, -1.05, -1.2}) {
    optimizer.observe(loss);
    optimizer.step(training.totals_tensor());
    context().stream().synchronize();
    rates.push_back(optimizer.read_metrics().at(0).learning_rate);
  }
  EXPECT_EQ(rates, (std::vector<double>{1, 0.5, 0.25, 0.25}));
}

// TensorFlow's ExponentialMovingAverage with num_updates: min(decay, (1 + t) / (10 + t)), t updates
// being made; the first sets the average. A skipped step is no update.
TEST_F(OptimizerTest, TheDecayOfTheAverageGrowsWithTheUpdates) {
  const double decay = 0.8;
  Training<double> plain(context(), {1, 2}), captured(context(), {1, 2});
  const OptimizerOptions options{.ema = decay, .ema_warmup = true};
  Sgd a(context(), plain.slab(), {.learning_rate = 0.5}, options);
  Sgd b(context(), captured.slab(), {.learning_rate = 0.5}, options);
  context().stream().begin_capture();
  b.step(captured.totals_tensor());
  const CapturedWork work = context().stream().end_capture();
  std::vector<double> average;
  int updates = 0;
  for (int step = 1; step <= 60; ++step) {
    const bool bad = step % 7 == 3;
    const double g = bad ? std::nan("") : std::sin(step);
    plain.set_gradient({g, 1});
    captured.set_gradient({g, 1});
    a.step(plain.totals_tensor());
    work.replay(context().stream());
    const std::vector<double> now = plain.master.download();
    if (!bad) ++updates;
    const double kept = bad            ? 1
                        : updates == 1 ? 0
                                       : std::min(decay, (1.0 + updates) / (10.0 + updates));
    if (step == 1) average = now;
    for (std::size_t i = 0; i < 2; ++i) average[i] = kept * average[i] + (1 - kept) * now[i];
  }
  EXPECT_EQ((1.0 + 35) / (10 + 35), decay) << "both branches were taken";
  for (Training<double>* training : {&plain, &captured}) {
    Optimizer& optimizer = training == &plain ? static_cast<Optimizer&>(a) : b;
    optimizer.swap_average();
    const std::vector<double> found = training->master.download();
    for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(found[i], average[i], 1e-13);
  }
}

// Before the first update there is no average, and what was loaded meanwhile is the model.
TEST_F(OptimizerTest, BeforeTheFirstUpdateNothingIsSwapped) {
  Training<float> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab(), {.learning_rate = 1}, {.ema = 0.5});
  training.master.upload({5, 6});  // a model loaded after the optimizer was made
  training.set_gradient({INFINITY, 0});
  optimizer.step(training.totals_tensor());
  optimizer.swap_average();
  EXPECT_EQ(training.master.download(), (std::vector<float>{5, 6}));
  optimizer.swap_average();
  training.set_gradient({1, 0});
  optimizer.step(training.totals_tensor());
  optimizer.swap_average();
  EXPECT_EQ(training.master.download(), (std::vector<float>{4, 6}));
}

TEST_F(OptimizerTest, ObservingChangesNothingInOtherSchedules) {
  Training<float> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab());
  const DeviceCounters before = device_counters();
  optimizer.observe(3);
  EXPECT_EQ(device_counters().launches, before.launches);
}

TEST_F(OptimizerTest, WithoutAnAverageThereIsNoneToSwap) {
  Training<float> training(context(), {1, 2});
  Sgd optimizer(context(), training.slab());
  EXPECT_FALSE(optimizer.has_average());
  test::expect_error([&] { optimizer.swap_average(); }, {"SGD: no moving average is kept"});
  for (double decay : {-0.1, 1.0, std::nan("")})
    test::expect_error([&] { Sgd(context(), training.slab(), {}, {.ema = decay}); },
                       {"SGD", "ema"});
  for (double value : {-0.1, std::nan("")})
    test::expect_error([&] { Sgd(context(), training.slab(), {}, {.clip_value = value}); },
                       {"SGD", "clip_value"});
}

TEST_F(OptimizerTest, WithoutACheckNothingIsSkipped) {
  const float infinity = std::numeric_limits<float>::infinity();
  Training<float> training(context(), {1, 2, 3});
  training.set_gradient({1, infinity, 1});
  Sgd optimizer(context(), training.slab(), {.learning_rate = 0.5}, {.check_gradient = false});
  optimizer.step(training.totals_tensor());
  const std::vector<float> after = training.master.download();
  EXPECT_EQ(after[0], 0.5f);
  EXPECT_FALSE(std::isfinite(after[1]));
  EXPECT_EQ(after[2], 2.5f);
  EXPECT_EQ(optimizer.read_metrics().at(0).skipped, 0u);
  for (const OptimizerOptions& options :
       {OptimizerOptions{.check_gradient = false, .clip_norm = 1},
        OptimizerOptions{.check_gradient = false, .scaling = {.dynamic = true}}})
    test::expect_error([&] { Sgd(context(), training.slab(), {}, options); },
                       {"SGD: expected check_gradient"});
}

TEST_F(OptimizerTest, NoParametersAreNoTrouble) {
  const Training<float> training(context(), std::vector<float>{});
  AdamW optimizer(context(), training.slab());
  optimizer.step(training.totals_tensor());
  context().stream().synchronize();
  const auto records = optimizer.read_metrics();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].gradient_norm, 0);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
