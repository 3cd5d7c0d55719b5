// What stopping decides: nothing. A run that is stopped anywhere, once or twice, and resumed keeps
// the same best model, with the same score, and the same rows of metrics as one that never stopped;
// and a run that is only stopped has a model all the same.
#include <gtest/gtest.h>

#include <bit>

#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// y = 3 x at a rate that multiplies the loss by 1.12 with each update: a model is the better the
// earlier it is looked at. 12 samples in 6 updates an epoch.
struct Slope {
  static Recipe recipe(const std::string& rest) {
    return parse_recipe(
        "[data]\nname = \"regression\"\n[model]\nlayers = [{type = \"linear\", out "
        "= 1, bias = false, weight_init = \"zeros\"}]\n[loss]\ntype = "
        "\"mse\"\n[optim]\ntype = \"sgd\"\nlr = 1.0291502622129181\nmomentum = "
        "0\n" +
            rest + "[train]\nepochs = 3\nbatch = 2\n",
        "slope.toml");
  }
  static std::shared_ptr<const Dataset> data(std::int64_t count) {
    auto data = std::make_shared<Dataset>(Dataset{
        .name = "slope", .count = count, .type = DType::float32, .sample = {1}, .outputs = 1});
    for (std::int64_t i = 0; i < count; ++i) {
      data->features.push_back(i % 2 == 0 ? 1.0f : -1.0f);
      data->targets.push_back(3 * data->features.back());
    }
    return data;
  }

  // What metrics.csv would hold, to the last bit.
  struct Row {
    std::int64_t step;
    bool of_epoch;
    std::uint64_t loss, accuracy, rate, norm;
    bool operator==(const Row&) const = default;
  };

  explicit Slope(bool validates, const std::string& rest = "", std::int64_t stop_after = 0)
      : recipe_(recipe(rest)),
        model(build_model(context, recipe_, {.sample = {1}, .classes = 0, .outputs = 1})),
        optimizer(build_optimizer(context, recipe_, *model.graph, 18)),
        loader(context, data(12), {.batch = 2, .seed = 1}),
        unseen(context, data(4), {.batch = 2, .shuffle = false}),
        evaluator(model, unseen),
        trainer(
            model, *optimizer, loader, validates ? &evaluator : nullptr,
            {.steps = 18,
             .stop = &stop,
             .on_row =
                 [this](const StepReport& step) {
                   rows.push_back({step.step, false, std::bit_cast<std::uint64_t>(step.loss),
                                   std::bit_cast<std::uint64_t>(step.accuracy),
                                   std::bit_cast<std::uint64_t>(step.learning_rate),
                                   std::bit_cast<std::uint64_t>(*step.gradient_norm)});
                 },
             .row_steps = 4,
             .on_epoch =
                 [this](const EpochReport& epoch) {
                   if (!epoch.judged) return;
                   const double loss = epoch.validation ? epoch.validation->loss : 0;
                   rows.push_back({epoch.step, true, std::bit_cast<std::uint64_t>(epoch.train.loss),
                                   std::bit_cast<std::uint64_t>(loss), 0, 0});
                 },
             // Between any two updates, when all have been read.
             .on_checkpoint =
                 [this, stop_after] {
                   const RunState state = trainer.state();
                   ends_unjudged = ends_unjudged || state.batches == loader.batches();
                   if (state.step == stop_after) stop = true;
                 },
             .checkpoint_seconds = 0,
             .checkpoint_share = 1}) {}

  // Goes on where `before` stood, which kept these files.
  void resume(const Slope& before) {
    restore_snapshot(*model.graph, take_snapshot(*before.model.graph));
    load_state(before);
    trainer.resume(before.trainer.state(),
                   before.trainer.state().best_epoch > 0 ? before.trainer.best() : Snapshot());
    rows = before.rows;
  }
  void load_state(const Slope& before) {
    for (std::size_t i = 0; i < optimizer->state().size(); ++i)
      copy_between(before, before.optimizer->state()[i].tensor, optimizer->state()[i].tensor);
    std::uint64_t step = 0;
    copy_to_host(before.context.stream(), &step, before.context.step(), sizeof step);
    before.context.stream().synchronize();
    copy_to_device(context.stream(), context.step(), &step, sizeof step);
    context.stream().synchronize();
  }
  void copy_between(const Slope& before, const Tensor& from, const Tensor& to) {
    std::vector<std::byte> bytes(from.bytes());
    copy_to_host(before.context.stream(), bytes.data(), from.data(), bytes.size());
    before.context.stream().synchronize();
    copy_to_device(context.stream(), to.data(), bytes.data(), bytes.size());
    context.stream().synchronize();
  }

  Recipe recipe_;
  mutable Context context;
  Model model;
  std::unique_ptr<Optimizer> optimizer;
  Loader loader, unseen;
  Evaluator evaluator;
  std::atomic<bool> stop = false;
  bool ends_unjudged = false;
  std::vector<Row> rows;
  Trainer trainer;
};

class StoppingTest : public DeviceTest {
 protected:
  static void expect_same(const Slope& whole, const Slope& resumed) {
    EXPECT_TRUE(same_bits(take_snapshot(*whole.model.graph), take_snapshot(*resumed.model.graph)));
    EXPECT_TRUE(same_bits(whole.trainer.best(), resumed.trainer.best()));
    EXPECT_EQ(whole.trainer.best_epoch(), resumed.trainer.best_epoch());
    EXPECT_TRUE(whole.rows == resumed.rows);
    RunState a = whole.trainer.state(), b = resumed.trainer.state();
    a.seconds = b.seconds = 0;
    EXPECT_EQ(a, b);
  }
};

TEST_F(StoppingTest, TheBestModelAndAllRowsAreThoseOfTheRunThatNeverStopped) {
  for (const bool validates : {true, false})
    for (const std::string rest : {"", "ema = 0.5\n",
                                   "[schedule]\ntype = \"plateau\"\npatience = "
                                   "0\ngamma = 0.5\n"}) {
      if (!validates && rest.starts_with("[schedule]")) continue;
      Slope whole(validates, rest);
      ASSERT_TRUE(whole.trainer.run());
      EXPECT_FALSE(whole.ends_unjudged);
      ASSERT_EQ(whole.rows.size(), 3u + 4u);
      if (validates && rest.empty()) {
        EXPECT_EQ(whole.trainer.best_epoch(), 1) << "it only gets worse";
      }
      for (const std::int64_t first : {1, 2, 5, 6, 7, 11})
        for (const std::int64_t second : {std::int64_t{0}, first + 1, std::int64_t{13}}) {
          SCOPED_TRACE(str(rest, validates, ", stopped after ", first, " and ", second));
          Slope one(validates, rest, first), two(validates, rest, second), three(validates, rest);
          ASSERT_FALSE(one.trainer.run());
          two.resume(one);
          if (two.trainer.run()) {
            expect_same(whole, two);
            continue;
          }
          three.resume(two);
          ASSERT_TRUE(three.trainer.run());
          expect_same(whole, three);
        }
    }
}

TEST_F(StoppingTest, AStoppedRunHasAModelBeforeAnyIsJudged) {
  Slope run(true, "", 2);
  ASSERT_FALSE(run.trainer.run());
  EXPECT_TRUE(same_bits(run.trainer.best(), take_snapshot(*run.model.graph)));
  EXPECT_EQ(run.trainer.best_epoch(), 1);
  const EpochReport& epoch = run.trainer.epochs().back();
  EXPECT_TRUE(epoch.best);
  EXPECT_FALSE(epoch.judged);
  EXPECT_TRUE(epoch.validation.has_value()) << "said, though nothing follows from it";
  EXPECT_EQ(run.trainer.state().best_epoch, 0);
  EXPECT_FALSE(run.trainer.state().best.has_value());
}

// Judged is what validates; without, the latest model is as good as any.
TEST_F(StoppingTest, OnceAModelIsJudgedOnlyJudgedOnesTakeItsPlace) {
  for (const bool validates : {true, false}) {
    Slope run(validates, "", 8);
    ASSERT_FALSE(run.trainer.run());
    EXPECT_EQ(same_bits(run.trainer.best(), take_snapshot(*run.model.graph)), !validates);
    EXPECT_EQ(run.trainer.state().best_epoch, 1);
  }
}

// A run of steps ends where it is told to, and that end counts.
TEST_F(StoppingTest, TheEndOfTheRunIsAnEnd) {
  Slope run(true);
  Trainer trainer(run.model, *run.optimizer, run.loader, &run.evaluator, {.steps = 4});
  ASSERT_TRUE(trainer.run());
  EXPECT_TRUE(trainer.epochs().back().judged);
  EXPECT_FALSE(trainer.epochs().back().complete);
  EXPECT_EQ(trainer.state().best_epoch, 1);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
