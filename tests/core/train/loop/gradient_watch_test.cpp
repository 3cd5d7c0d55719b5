// Parameters that learn nothing are named after the first updates of a run; none that do, or that
// are not meant to.
#include "core/train/loop/gradient_watch.h"

#include <gtest/gtest.h>

#include "core/tensor/transfer.h"
#include "layers/losses/regression_losses.h"
#include "layers/products/linear.h"
#include "support/backend.h"
#include "support/model.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using GradientWatchTest = DeviceTest;

/// Biases so low that the first layer's ReLUs are dead for every sample.
void kill_first_layer(SmallRun& run) {
  for (const Parameter& parameter : run.model.graph->parameters())
    if (parameter.name() == "linear1.bias")
      upload(run.context, parameter.master(),
             std::vector<float>(std::size_t(parameter.count()), -1e3f));
  run.model.graph->refresh_parameters();
}

std::vector<std::string> notes_of(const Trainer& trainer) {
  std::vector<std::string> notes;
  for (const EpochReport& epoch : trainer.epochs())
    for (const std::string& note : epoch.notes)
      if (note.find("no gradient moved") != std::string::npos)
        notes.push_back(str(epoch.epoch, ": ", note));
  return notes;
}

TEST_F(GradientWatchTest, NamesWhatLearnsNothingOnce) {
  for (const char* precision : {"float32", "bfloat16"}) {
    SCOPED_TRACE(precision);
    SmallRun run(small_recipe(str("precision = \"", precision, "\"")));
    kill_first_layer(run);
    run.trainer.run();
    const std::vector<std::string> notes = notes_of(run.trainer);
    ASSERT_EQ(notes.size(), 1u);
    EXPECT_TRUE(
        notes[0].starts_with("1: no gradient moved linear1.weight, linear1.bias, "
                             "linear2.weight in the first 5 updates"))
        << notes[0];
  }
}

TEST_F(GradientWatchTest, SaysNothingOfARunThatLearns) {
  SmallRun run(small_recipe());
  run.trainer.run();
  EXPECT_EQ(notes_of(run.trainer).size(), 0u);
  // Layers that start from zero let no gradient through at first.
  SmallRun zero(small_recipe());
  for (const Parameter& parameter : zero.model.graph->parameters())
    upload(zero.context, parameter.master(),
           std::vector<float>(std::size_t(parameter.count()),
                              parameter.name().starts_with("linear2") ? 0.0f : 0.01f));
  zero.model.graph->refresh_parameters();
  zero.trainer.run();
  EXPECT_EQ(notes_of(zero.trainer).size(), 0u);
}

TEST_F(GradientWatchTest, SaysNothingOfWhatIsNotToMove) {
  // By a group of their own.
  SmallRun grouped(small_recipe(
      "[optim]\ngroups = [{match = \"linear1.*\", lr_scale = 0.0}, {match = \"linear2.weight\", "
      "lr_scale = 0.0}]"));
  kill_first_layer(grouped);
  grouped.trainer.run();
  EXPECT_EQ(notes_of(grouped.trainer).size(), 0u);
  // At a rate of 0.
  SmallRun run(small_recipe());
  kill_first_layer(run);
  Optimizer still(run.context, run.model.graph->slab(), default_rule_options("sgd"),
                  {.schedule = Schedule{.base = 0}});
  Trainer trainer(run.model, still, run.loader, nullptr, {.steps = 14});
  trainer.run();
  EXPECT_EQ(notes_of(trainer).size(), 0u);
}

TEST_F(GradientWatchTest, OneNumberInOneUpdateIsEnough) {
  TestModel model;
  const Value y = linear(model.input({2, 300}), 300);
  model.compile({.losses = {mse(y, model.input({2, 300}))}});
  const std::vector<Parameter>& parameters = model.graph.parameters();
  const auto look = [&](GradientWatch& watch, float last) {
    for (const Parameter& parameter : parameters)
      upload(model.context, parameter.gradient(),
             std::vector<float>(std::size_t(parameter.count()), -0.0f));
    std::vector<float> weight(std::size_t(parameters[0].count()));
    weight.back() = last;
    upload(model.context, parameters[0].gradient(), weight);
    watch.look(model.context.stream());
  };
  GradientWatch watch(model.graph.slab(), {});
  for (int update = 0; update < GradientWatch::kUpdates; ++update) {
    EXPECT_TRUE(watch.watching());
    EXPECT_EQ(watch.take_note(), "");
    look(watch, update == 3 ? 1e-40f : 0.0f);
  }
  EXPECT_FALSE(watch.watching());
  const std::string note = watch.take_note();
  EXPECT_TRUE(note.starts_with("no gradient moved linear1.bias in the first 5 updates")) << note;
  EXPECT_EQ(watch.take_note(), "") << "once";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
