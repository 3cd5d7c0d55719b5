// Each key of [optim] changes what training does, or how it is told; of the others see
// tests/core/train/recipe/recipe_keys_test.cpp.
#include <gtest/gtest.h>

#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using OptimizerKeysTest = DeviceTest;

struct Trace {
  Snapshot weights, best;
  std::string told;
};

Trace trace_of(const std::string& optim) {
  Recipe recipe = small_recipe("[optim]\ntype = \"sgd\"\nmomentum = 0\n" + optim);
  recipe.train.epochs = 1;
  Trace trace;
  TrainerOptions options;
  options.on_step = [&](const StepReport& step) {
    trace.told += str(step.loss_scale, " ", step.gradient_norm.value_or(-1), "; ");
  };
  SmallRun run(recipe, 100, options);
  run.trainer.run();
  trace.weights = take_snapshot(*run.model.graph);
  trace.best = run.trainer.best();
  return trace;
}

TEST_F(OptimizerKeysTest, EachKeyOfTheOptimizerDoesSomething) {
  const Trace without = trace_of("");
  for (const std::string key :
       {"lr = 0.3", "weight_decay = 0.5", "clip_norm = 0.01", "clip_value = 0.001",
        "check_gradient = false", "accumulate = 2", "ema = 0.5", "loss_scale = 64",
        "groups = [{match = \"*.bias\", lr_scale = 0.0}]"}) {
    const Trace with = trace_of(key + "\n");
    EXPECT_TRUE(with.told != without.told || !same_bits(with.weights, without.weights) ||
                !same_bits(with.best, without.best))
        << key << ": read, and without any effect";
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
