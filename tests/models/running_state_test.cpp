// A skipped update changes nothing at all, the running state of layers included; an average of the
// model takes it in.
#include <gtest/gtest.h>

#include <limits>

#include "layers/arithmetic/add.h"
#include "layers/losses/regression_losses.h"
#include "layers/norms/batch_norm.h"
#include "layers/products/linear.h"
#include "optim/optimizers.h"
#include "support/backend.h"
#include "support/model.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of(Context& context, const Tensor& tensor) {
  Bytes bytes(tensor.bytes());
  copy_to_host(context.stream(), bytes.data(), tensor.data(), bytes.size());
  context.stream().synchronize();
  return bytes;
}

/// y = batch_norm(linear(x)), whose gradient dy the tests give: one that is infinite is skipped.
struct Normalised {
  explicit Normalised(DType type = DType::float32, OptimizerOptions options = {},
                      bool accumulate = false) {
    x = model.input({4, 3});
    y = batch_norm(linear(x, 2), {.momentum = 0.25});
    model.compile({.outputs = {y}, .seeds = {y}, .compute_type = type, .accumulate = accumulate});
    totals_memory = model.context.memory().allocate(3 * sizeof(float), "test");
    totals = Tensor(totals_memory.data(), DType::float32, {3});
    upload(model.context, totals, std::vector<float>{1, 4, 0});
    optimizer = std::make_unique<AdamW>(model.context, graph().slab(),
                                        AdamWOptions{.learning_rate = 0.05}, options);
  }
  Graph& graph() { return model.graph; }
  Context& context() { return model.context; }

  void set_batch(int number, float dy) {
    std::vector<float> values(12);
    for (std::size_t i = 0; i < 12; ++i)
      values[i] = float((int(i) * 7 + number * 5) % 11 - 5) * 0.5f * float(1 + number % 3);
    upload(context(), graph().tensor(x), values);
    std::vector<double> seed(8, 1);
    for (std::size_t i = 0; i < 8; ++i) seed[i] = double(int(i) % 3) - 1;
    seed[5] = double(dy);
    const Tensor gradient = graph().gradient(y);
    const auto put = [&]<class T>() {
      std::vector<T> given;
      for (const double value : seed) given.push_back(T(float(value)));
      upload(context(), gradient, given);
    };
    if (gradient.dtype() == DType::float32) put.template operator()<float>();
    if (gradient.dtype() == DType::bfloat16) put.template operator()<bfloat16>();
    if (gradient.dtype() == DType::float16) put.template operator()<float16>();
  }
  void step() {
    model.step();
    optimizer->step(totals);
  }
  /// Parameters, running state, moments, averages: all but the counters.
  std::vector<Bytes> contents() {
    std::vector<Bytes> all{bytes_of(context(), graph().slab().master)};
    if (graph().slab().compute.defined())
      all.push_back(bytes_of(context(), graph().slab().compute));
    for (const Slot& state : graph().states()) all.push_back(bytes_of(context(), state.tensor()));
    for (const OptimizerState& state : optimizer->state())
      if (state.name != "update_state" && state.name != "loss_scale")
        all.push_back(bytes_of(context(), state.tensor));
    return all;
  }
  std::vector<float> running(std::size_t index) {
    return download<float>(context(), graph().states()[index].tensor());
  }

  TestModel model;
  Value x, y;
  Buffer totals_memory;
  Tensor totals;
  std::unique_ptr<AdamW> optimizer;
};

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class SkippedUpdateTest : public DeviceTest, public testing::WithParamInterface<DType> {};
using RunningStateTest = DeviceTest;

TEST_P(SkippedUpdateTest, ChangesNothingAtAll) {
  Normalised run(GetParam(), {.ema = 0.5}), without(GetParam(), {.ema = 0.5});
  for (int batch = 0; batch < 6; ++batch) {
    const bool bad = batch == 2 || batch == 3;
    const auto before = run.contents();
    run.set_batch(batch, bad ? (batch == 2 ? kInfinity : std::nanf("")) : 0.5f);
    run.step();
    EXPECT_EQ(run.contents() == before, bad) << batch;
    if (bad) continue;
    without.set_batch(batch, 0.5f);
    without.step();
    EXPECT_EQ(run.contents(), without.contents()) << "as if the bad ones had never come";
  }
}

TEST_P(SkippedUpdateTest, ReplaysEqualSteps) {
  Normalised plain(GetParam(), {.ema = 0.5, .ema_warmup = true}),
      captured(GetParam(), {.ema = 0.5, .ema_warmup = true});
  const CapturedWork work = capture(captured.context().stream(), [&] { captured.step(); });
  for (int batch = 0; batch < 6; ++batch) {
    const float dy = batch % 3 == 1 ? kInfinity : 0.5f;
    plain.set_batch(batch, dy);
    captured.set_batch(batch, dy);
    plain.step();
    work.replay(captured.context().stream());
    EXPECT_EQ(plain.contents(), captured.contents()) << batch;
  }
}

// A batch or more before the bad one moved them, too.
TEST_P(SkippedUpdateTest, TakesBackAllMicroSteps) {
  for (const int bad : {0, 1, 2}) {
    Normalised run(GetParam(), {}, true), without(GetParam(), {}, true);
    const auto update = [](Normalised& of, int first, int bad_step) {
      for (int micro = 0; micro < 3; ++micro) {
        of.set_batch(first + micro, micro == bad_step ? kInfinity : 0.5f);
        of.graph().set_accumulating(micro > 0);
        of.model.step();
        micro < 2 ? of.optimizer->accumulate(of.totals) : of.optimizer->step(of.totals);
      }
    };
    update(run, 0, -1);
    const auto before = run.contents();
    update(run, 3, bad);
    EXPECT_EQ(run.contents(), before) << bad;
    update(run, 6, -1);
    update(without, 0, -1);
    update(without, 6, -1);
    EXPECT_EQ(run.contents(), without.contents()) << bad;
  }
}

INSTANTIATE_TEST_SUITE_P(Types, SkippedUpdateTest,
                         testing::Values(DType::float32, DType::bfloat16, DType::float16),
                         [](const auto& info) { return std::string(name(info.param)); });

/// A float16 graph with a loss of its own, trained on batches of four numbers.
struct Float16Training {
  void compile(const Value& loss_) {
    loss = loss_;
    model.compile({.losses = {loss}, .compute_type = DType::float16});
    optimizer =
        std::make_unique<Sgd>(model.context, model.graph.slab(), SgdOptions{.learning_rate = 1e-3});
  }
  void step(const std::vector<float>& batch) {
    upload(model.context, model.graph.tensor(x), batch);
    model.step();
    optimizer->step(model.graph.tensor(loss));
  }

  TestModel model;
  const Value x = model.input({4, 1}), target = model.input({4, 1});
  Value loss;
  std::unique_ptr<Sgd> optimizer;
};

// 3e4 times 4 is beyond float16: the loss overflows, not only a gradient.
TEST_F(RunningStateTest, SurvivesABatchWhoseLossOverflows) {
  Float16Training run;
  TestModel& model = run.model;
  const auto layer = std::make_shared<Linear>(
      LinearOptions{.out = 1, .weight_initializer = Initializer::constant(4.0f)});
  run.compile(mse(batch_norm(model.graph.apply(layer, {run.x})[0]), run.target));
  const auto step = [&](const std::vector<float>& batch) {
    run.step(batch);
    std::vector<float> values;
    for (const Slot& state : model.graph.states())
      values.push_back(download<float>(model.context, state.tensor())[0]);
    return values;
  };
  upload(model.context, model.graph.tensor(run.target), std::vector<float>{1, 0, 1, 0});
  const std::vector<float> first = step({1, 2, 3, 4});
  EXPECT_NEAR(first[0], 0.1f * 10, 0.1f);  // the mean of 4 (1, 2, 3, 4), and a bias below 1
  EXPECT_EQ(step({1, 2, 3e4f, 4}), first);
  EXPECT_NE(step({1, 2, 3, 4}), first);
  const auto records = run.optimizer->read_metrics();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[1].skipped, 1u);
  EXPECT_FALSE(std::isfinite(records[1].loss_sum));
}

TEST_F(RunningStateTest, MovesWithoutAnOptimizer) {
  Normalised run;
  std::vector<float> last = run.running(0);
  for (int batch = 0; batch < 3; ++batch) {
    run.set_batch(batch, 0);
    run.graph().forward();
    EXPECT_NE(run.running(0), last) << batch;
    last = run.running(0);
  }
  run.context().set_training(false);
  run.graph().forward();
  EXPECT_EQ(run.running(0), last);
}

// What is loaded after the optimizer was made, or read between forward and update, is no part of
// the update.
TEST_F(RunningStateTest, IsTakenBackToWhatWasLoaded) {
  Normalised run;
  const auto load = [&](float value) {
    for (const Slot& state : run.graph().states())
      upload(run.context(), state.tensor(), std::vector<float>(2, value));
    run.graph().refresh_parameters();
  };
  load(7);
  // A gradient of the caller's own making, without a pass of this graph.
  const Tensor gradient = run.graph().slab().gradient;
  fill_bytes(run.context().stream(), gradient.data(), 0xff, gradient.bytes());
  run.optimizer->step(run.totals);
  EXPECT_EQ(run.running(0), (std::vector<float>{7, 7}));
  run.set_batch(0, kInfinity);
  run.model.step();
  {
    const ScopedTraining evaluating(run.context(), false);
    run.graph().forward();
  }
  run.optimizer->step(run.totals);
  EXPECT_EQ(run.running(1), (std::vector<float>{7, 7}));
  EXPECT_EQ(run.optimizer->read_metrics().size(), 2u);
}

// Without a check no gradient is looked at; a batch without a sample is skipped all the same.
TEST_F(RunningStateTest, IsTakenBackWhereNoSampleCounts) {
  Normalised run(DType::float32, {.check_gradient = false});
  run.set_batch(0, 0.5f);
  run.step();
  const auto before = run.contents();
  upload(run.context(), run.totals, std::vector<float>{0, 0, 0});
  run.set_batch(1, 0.5f);
  run.step();
  EXPECT_EQ(run.contents(), before);
}

// The loss overflows, its gradient, of absolute differences, does not.
TEST_F(RunningStateTest, ALossThatOverflowsSkipsTheUpdate) {
  Float16Training run;
  TestModel& model = run.model;
  run.compile(l1(add(add(run.x, run.x), linear(batch_norm(run.x), 1)), run.target));
  const auto step = [&](const std::vector<float>& batch) {
    run.step(batch);
    std::vector<Bytes> all{bytes_of(model.context, model.graph.slab().master)};
    for (const Slot& state : model.graph.states())
      all.push_back(bytes_of(model.context, state.tensor()));
    return all;
  };
  const std::vector<Bytes> before = step({1, 2, 3, 4});
  EXPECT_EQ(step({1, 2, 6e4f, 4}), before);
  EXPECT_EQ(run.optimizer->read_metrics().back().skipped, 1u);
  EXPECT_NE(step({1, 2, 3, 5}), before);
}

// Without a training pass of its own an update that is skipped leaves what the last one made.
TEST_F(RunningStateTest, ASkippedUpdateGoesBackNoFurtherThanToTheLastOneMade) {
  Normalised run;
  run.set_batch(1, 0.5f);
  run.step();
  const std::vector<float> made = run.running(0);
  const ScopedTraining evaluation(run.context(), false);
  run.set_batch(2, std::numeric_limits<float>::infinity());
  run.step();
  EXPECT_EQ(run.running(0), made);
}

TEST_F(RunningStateTest, IsAveragedWithTheParameters) {
  const double decay = 0.6;
  Normalised run(DType::float32, {.ema = decay, .ema_warmup = true});
  std::vector<std::vector<double>> average(2);
  int updates = 0;
  for (int batch = 0; batch < 12; ++batch) {
    const bool bad = batch == 5;
    run.set_batch(batch, bad ? kInfinity : 0.5f);
    run.step();
    if (bad) continue;
    ++updates;
    const double kept = updates == 1 ? 0 : std::min(decay, (1.0 + updates) / (10.0 + updates));
    for (std::size_t state = 0; state < 2; ++state) {
      const std::vector<float> now = run.running(state);
      average[state].resize(now.size());
      for (std::size_t i = 0; i < now.size(); ++i)
        average[state][i] = kept * average[state][i] + (1 - kept) * double(now[i]);
    }
  }
  const auto before = run.contents();
  run.optimizer->swap_average();
  for (std::size_t state = 0; state < 2; ++state) {
    const std::vector<float> found = run.running(state);
    for (std::size_t i = 0; i < found.size(); ++i)
      EXPECT_NEAR(double(found[i]), average[state][i], 1e-5) << state;
  }
  run.optimizer->swap_average();
  EXPECT_EQ(run.contents(), before);
}

/// Counts its training passes in an integer that is saved with the model, and in one that is not.
class Counting : public LayerOf<Counting> {
 public:
  std::string kind() const override { return "counting"; }
  Signature infer(const Signature& x) const override { return x; }
  void build(Builder& builder) override {
    word_ = builder.persistent("word", {DType::int32, {1}});
    passes_ = builder.state("passes", {DType::int32, {1}}, 0);
  }
  void forward(Context& context, const ForwardCall& call) override {
    copy_on_device(context.stream(), call.y[0].data(), call.x[0].data(), call.x[0].bytes());
    if (!context.training()) return;
    ++count_;
    for (const Slot& slot : {word_, passes_})
      fill_bytes(context.stream(), slot.tensor().data(), std::uint8_t(count_), 4);
  }
  void backward(Context& context, const BackwardCall& call) override {
    copy_on_device(context.stream(), call.dx[0].tensor.data(), call.dy[0].data(),
                   call.dy[0].bytes());
  }
  Slot word_, passes_;
  int count_ = 0;
};

TEST_F(RunningStateTest, OfAnyTypeIsTakenBackButErrorsStay) {
  TestModel model;
  const Value x = model.input({4, 3});
  const Value y = model.graph.apply(Counting(), {batch_norm(linear(x, 2))});
  model.compile({.outputs = {y}, .seeds = {y}});
  const auto& held = dynamic_cast<const Counting&>(*model.graph.program().nodes.back().layer);
  Sgd optimizer(model.context, model.graph.slab(), {}, {.ema = 0.5});
  const Buffer memory = model.context.memory().allocate(3 * sizeof(float), "test");
  const Tensor totals(memory.data(), DType::float32, {3});
  upload(model.context, totals, std::vector<float>{1, 4, 0});
  const auto step = [&](float dy) {
    upload(model.context, model.graph.gradient(y), std::vector<float>(8, dy));
    model.step();
    optimizer.step(totals);
    return std::pair(download<std::int32_t>(model.context, held.passes_.tensor())[0],
                     download<std::int32_t>(model.context, held.word_.tensor())[0]);
  };
  EXPECT_EQ(step(1), (std::pair{0x01010101, 0x01010101}));
  EXPECT_EQ(step(kInfinity), (std::pair{0x01010101, 0x02020202}));
  EXPECT_EQ(step(1), (std::pair{0x03030303, 0x03030303}));
  optimizer.swap_average();  // numbers alone are averaged
  EXPECT_EQ(download<std::int32_t>(model.context, held.passes_.tensor())[0], 0x03030303);
}

TEST_F(RunningStateTest, CostsOneCopyAndOneKernelAndElsewhereNothing) {
  const auto operations = [](bool normalise) {
    TestModel model;
    const Value x = model.input({4, 3}), target = model.input({4, 2});
    const Value hidden = linear(x, 2);
    const Value loss = mse(normalise ? batch_norm(hidden) : hidden, target);
    model.compile({.losses = {loss}});
    Sgd optimizer(model.context, model.graph.slab());
    const auto step = [&] {
      model.step();
      optimizer.step(model.graph.tensor(loss));
    };
    step();
    return capture(model.context.stream(), step).operations();
  };
  const auto count = [](const std::vector<std::string>& all, const std::string& part) {
    return std::ranges::count_if(
        all, [&](const std::string& name) { return name.find(part) != std::string::npos; });
  };
  EXPECT_EQ(count(operations(true), "settle_running_state"), 1);
  EXPECT_EQ(count(operations(true), "copy"), count(operations(false), "copy") + 1);
  EXPECT_EQ(count(operations(false), "settle_running_state"), 0);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
