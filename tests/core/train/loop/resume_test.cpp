// A run that was stopped, saved and resumed in another process is, bit for bit, the run that never
// stopped.
#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;
using test::ScratchFolder;

struct ResumeCase {
  const char* name;
  std::string recipe;
  LoaderOptions loading = {};

  friend void PrintTo(const ResumeCase& run, std::ostream* out) { *out << run.name; }
};

class ResumeTest : public DeviceTest, public testing::WithParamInterface<ResumeCase> {
 protected:
  static constexpr std::int64_t kSamples = 200;

  // All that a run goes on from: parameters, running state, moments, counters.
  static Snapshot all_of(const SmallRun& run) {
    return take_snapshot(*run.model.graph, *run.optimizer);
  }

  static void save(const std::filesystem::path& path, const SmallRun& run) {
    SafetensorsMetadata metadata;
    add_metadata(metadata, run.trainer.state());
    save_model(path, all_of(run), metadata);
  }

  static void load(const std::filesystem::path& path, SmallRun& run, const Snapshot& best) {
    const SafetensorsFile file = SafetensorsFile::read(path);
    load_training(file, *run.model.graph, *run.optimizer);
    run.trainer.resume(read_run_state(file.metadata(), file.name()), best);
  }
};

TEST_P(ResumeTest, EqualsTheRunThatNeverStopped) {
  const ScratchFolder scratch;
  const Recipe recipe = small_recipe(GetParam().recipe);
  SmallRun whole(recipe, kSamples, {}, GetParam().loading);
  ASSERT_TRUE(whole.trainer.run());
  const std::int64_t updates = whole.trainer.state().step;
  for (const std::int64_t saved_at : {std::int64_t{1}, updates / 3, updates / 3 + 1, updates - 2}) {
    std::atomic<bool> stop = false;
    SmallRun* self = nullptr;
    Snapshot best;
    std::int64_t saved = 0;
    const auto checkpoint = [&] {
      if (saved != 0 || self->trainer.state().step < saved_at) return;
      saved = self->trainer.state().step;
      save(scratch / "last", *self);
      best = self->trainer.best();
      stop = true;
    };
    SmallRun first(recipe, kSamples,
                   {.stop = &stop,
                    .on_checkpoint = checkpoint,
                    .checkpoint_seconds = 0,
                    .checkpoint_share = 1},
                   GetParam().loading);
    self = &first;
    first.trainer.run();
    ASSERT_GE(saved, saved_at);
    // What the first does after it was saved (a validation, since it was stopped) is lost.
    SmallRun second(recipe, kSamples, {}, GetParam().loading);
    load(scratch / "last", second, best);
    ASSERT_TRUE(second.trainer.run());
    EXPECT_TRUE(same_bits(all_of(whole), all_of(second))) << "saved after update " << saved;
    EXPECT_TRUE(same_bits(whole.trainer.best(), second.trainer.best())) << saved;
    EXPECT_EQ(whole.trainer.best_epoch(), second.trainer.best_epoch());
    const EpochReport &a = whole.trainer.epochs().back(), &b = second.trainer.epochs().back();
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.train.count, b.train.count);
    EXPECT_DOUBLE_EQ(a.train.loss, b.train.loss);
    EXPECT_EQ(a.validation->loss, b.validation->loss);
  }
}

// The state at the end of a run that was stopped, too, is that of the run that goes on.
TEST_P(ResumeTest, AStoppedRunGoesOn) {
  const ScratchFolder scratch;
  const Recipe recipe = small_recipe(GetParam().recipe);
  SmallRun whole(recipe, kSamples, {}, GetParam().loading);
  ASSERT_TRUE(whole.trainer.run());
  std::atomic<bool> stop = false;
  SmallRun first(recipe, kSamples,
                 {.stop = &stop, .on_step = [&](const StepReport& step) { stop = step.step >= 2; }},
                 GetParam().loading);
  ASSERT_FALSE(first.trainer.run());
  save(scratch / "last", first);
  SmallRun second(recipe, kSamples, {}, GetParam().loading);
  load(scratch / "last", second, first.trainer.best());
  ASSERT_TRUE(second.trainer.run());
  EXPECT_TRUE(same_bits(all_of(whole), all_of(second)));
}

INSTANTIATE_TEST_SUITE_P(
    Runs, ResumeTest,
    testing::Values(
        ResumeCase{"AdamW", ""}, ResumeCase{"Momentum", "[optim]\ntype = \"sgd\"\nmomentum = 0.9"},
        ResumeCase{"WarmUpAndCosine", "[schedule]\ntype = \"cosine\"\nwarmup_steps = 5"},
        ResumeCase{"Average", "[optim]\nema = 0.9"},
        ResumeCase{"Accumulated", "[optim]\naccumulate = 3"},
        ResumeCase{"Plateau", "[schedule]\ntype = \"plateau\"\npatience = 0\ngamma = 0.5"},
        ResumeCase{"Float16", "precision = \"float16\""},
        ResumeCase{"Bfloat16", "precision = \"bfloat16\""},
        ResumeCase{"Streamed", "", {.resident_bytes = 0, .threads = 2}}),
    [](const auto& info) { return std::string(info.param.name); });

using ResumedTrainerTest = DeviceTest;

TEST_F(ResumedTrainerTest, RefusesARunWhoseSamplesWouldComeInAnotherOrder) {
  const RunState state = SmallRun(small_recipe()).trainer.state();
  EXPECT_EQ(state.samples, 200);
  EXPECT_EQ(state.batch, 32);
  SmallRun smaller(small_recipe(), 150);
  expect_error([&] { smaller.trainer.resume(state, {}); }, {"training samples: 200", "150"});
  SmallRun seeded(small_recipe("seed = 7"));
  expect_error([&] { seeded.trainer.resume(state, {}); }, {"seed", "7", "start a new run"});
  SmallRun accumulating(small_recipe("[optim]\naccumulate = 2"));
  expect_error([&] { accumulating.trainer.resume(state, {}); }, {"accumulate = 1", "2"});
}

TEST_F(ResumedTrainerTest, RefusesARunThatIsAtItsEnd) {
  SmallRun run(small_recipe());
  run.trainer.run();
  SmallRun again(small_recipe());
  expect_error([&] { again.trainer.resume(run.trainer.state(), run.trainer.best()); },
               {"all 21 updates of the run were made"});
}

// All that does not fit, at once; and what was there stays.
TEST_F(ResumedTrainerTest, RefusesTheStateOfAnotherOptimizer) {
  const ScratchFolder scratch;
  SmallRun adamw(small_recipe()), sgd(small_recipe("[optim]\ntype = \"sgd\"\nmomentum = 0"));
  const auto expect_refused = [&](const SmallRun& saved, const SmallRun& into,
                                  std::initializer_list<std::string> parts) {
    save_model(scratch / "last", take_snapshot(*saved.model.graph, *saved.optimizer));
    const Snapshot before = take_snapshot(*into.model.graph, *into.optimizer);
    const SafetensorsFile file = SafetensorsFile::read(scratch / "last");
    expect_error([&] { load_training(file, *into.model.graph, *into.optimizer); }, parts);
    EXPECT_TRUE(same_bits(before, take_snapshot(*into.model.graph, *into.optimizer)));
  };
  expect_refused(adamw, sgd,
                 {"last does not fit", "unknown:   optimizer.m", "unknown:   optimizer.v"});
  expect_refused(sgd, adamw,
                 {"last does not fit", "missing:   optimizer.m", "missing:   optimizer.v"});
}

TEST_F(ResumedTrainerTest, MomentsAreNamedAfterTheirParameters) {
  SmallRun run(small_recipe("[optim]\nema = 0.9"));
  run.trainer.run();
  const Snapshot snapshot = take_snapshot(*run.model.graph, *run.optimizer);
  const auto find = [&](const std::string& name) {
    const auto found = std::ranges::find(snapshot, name, &SavedTensor::name);
    EXPECT_NE(found, snapshot.end()) << name;
    return found;
  };
  for (const std::string state : {"m", "v", "ema"})
    for (const Parameter& parameter : run.model.graph->parameters()) {
      const auto tensor = find(str("optimizer.", state, ".", parameter.name()));
      ASSERT_NE(tensor, snapshot.end());
      EXPECT_EQ(tensor->type, (TensorType{DType::float32, parameter.shape()}));
      EXPECT_TRUE(std::ranges::any_of(tensor->bytes, [](std::byte b) { return b != std::byte{}; }))
          << tensor->name;
    }
  // With the parameters themselves, "optimizer.update_state" and "context.step".
  EXPECT_EQ(snapshot.size(), 4 * run.model.graph->parameters().size() + 2);
}

TEST(RunState, ComesBackFromMetadataExactly) {
  RunState state{.samples = 60000,
                 .batch = 128,
                 .accumulate = 2,
                 .seed = ~std::uint64_t{0},
                 .epoch = 3,
                 .batches = 17,
                 .step = 900,
                 .skipped = 1,
                 .seconds = 0.1,
                 .sums = {.loss = 1.0 / 3, .valid = 1e300, .correct = 5, .samples = 6},
                 .row_sums = {.loss = 2.0 / 3, .valid = 7, .updates = 17},
                 .best_epoch = 2};
  SafetensorsMetadata metadata;
  add_metadata(metadata, state);
  EXPECT_EQ(metadata.at("run.step"), "900");
  EXPECT_EQ(read_run_state(metadata, "f"), state);
  state.best = {.loss = 0.7, .accuracy = 1};
  add_metadata(metadata, state);
  EXPECT_EQ(read_run_state(metadata, "f"), state);

  for (const char* wrong : {"", "x", "1x", "-1", "1e99", "9223372036854775808"}) {
    SafetensorsMetadata damaged = metadata;
    damaged["run.step"] = wrong;
    expect_error([&] { read_run_state(damaged, "f"); }, {"f: "});
  }
  // Files of versions that kept none of it.
  SafetensorsMetadata older = metadata;
  std::erase_if(older, [](const auto& entry) { return entry.first.starts_with("run.row_sums"); });
  RunState without = state;
  without.row_sums = {};
  EXPECT_EQ(read_run_state(older, "f"), without);
  metadata.erase("run.epoch");
  expect_error([&] { read_run_state(metadata, "f"); }, {"f: ", "run.epoch", "last.safetensors"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
