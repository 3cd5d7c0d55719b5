// What a plugin enters (plugin.cu) is all that there is of built-in rules and schedules: recipes
// read it, write it and train with it.
#include <gtest/gtest.h>

#include <algorithm>

#include "core/train/recipe/recipe_tables.h"
#include "support/expect_error.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using PluginTest = DeviceTest;
using test::expect_error;

Recipe with_optim(const std::string& optim) {
  return small_recipe("[optim]\nlr = 0.005\nweight_decay = 0.125\n" + optim);
}

Snapshot trained(const Recipe& recipe) {
  SmallRun run(recipe, 1000);
  EXPECT_TRUE(run.trainer.run());
  const auto& epochs = run.trainer.epochs();
  EXPECT_LT(epochs[2].train.loss, 0.7 * epochs[0].train.loss);
  return take_snapshot(*run.model.graph);
}

TEST_F(PluginTest, ARecipeTrainsWithARuleOfItsOwn) {
  const Snapshot signum = trained(with_optim("type = \"signum\"\nmomentum = 0.75"));
  const Snapshot lion = trained(with_optim("type = \"lion\"\nbetas = [0.75, 0.75]"));
  EXPECT_TRUE(same_bits(signum, lion)) << "the same formulas";
  EXPECT_FALSE(same_bits(signum, trained(with_optim("type = \"signum\""))));
}

TEST_F(PluginTest, ARecipeReadsWritesAndChecksItsKeys) {
  const Recipe recipe = with_optim("type = \"signum\"");
  EXPECT_EQ(recipe.optim.rule.name(), "Signum");
  const std::string text = to_toml(recipe);
  EXPECT_NE(text.find("type = \"signum\"\nlr = 0.005\nmomentum = 0.9\nweight_decay = 0.125\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(to_toml(parse_recipe(text, "again")), text);
  EXPECT_TRUE(parse_recipe(text, "again").optim == recipe.optim);
  expect_error([] { with_optim("type = \"signun\""); }, {"did you mean 'signum'?"});
  expect_error([] { with_optim("type = \"signum\"\nmomentun = 0.5"); },
               {"did you mean 'momentum'?"});
  expect_error([] { with_optim("type = \"signum\"\nmomentum = 1.0"); },
               {"[optim] momentum: expected a number from 0 to below 1, got 1.0"});
}

TEST_F(PluginTest, ItIsAmongTheKinds) {
  EXPECT_EQ(std::ranges::count(rule_kinds(), "signum"), 1);
  EXPECT_EQ(std::ranges::count(schedule_kinds(), "hold"), 1);
  Options table("[optim]");
  default_rule_options("signum").write(table);
  EXPECT_EQ(toml_table(table), "[optim]\nmomentum = 0.5\nweight_decay = 0.0\n");
}

TEST_F(PluginTest, ARecipeTrainsWithAScheduleOfItsOwn) {
  const Recipe recipe = small_recipe(
      "[optim]\nlr = 0.5\n[schedule]\ntype = \"hold\"\nwarmup_steps = 1\n"
      "final_lr = 0.1\n");
  const std::string text = to_toml(recipe);
  EXPECT_NE(text.find("type = \"hold\"\nwarmup_steps = 1\nheld = 0.5\nfinal_lr = 0.1\n"),
            std::string::npos)
      << text;
  EXPECT_EQ(to_toml(parse_recipe(text, "again")), text);
  std::vector<double> rates;
  TrainerOptions options;
  options.row_steps = 1;
  options.on_step = [&](const StepReport& step) { rates.push_back(step.learning_rate); };
  SmallRun run(recipe, 96, options);  // 3 epochs of 3 updates
  run.trainer.run();
  const std::vector<double> expected = {0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.3, 0.2};
  ASSERT_EQ(rates.size(), expected.size());
  for (std::size_t i = 0; i < rates.size(); ++i) EXPECT_DOUBLE_EQ(rates[i], expected[i]) << i;
  EXPECT_NO_THROW(recipe.schedule.fitting_schedule(0.5, 1)) << "its warm-up is shortened";
  expect_error([&] { recipe.schedule.schedule(0.5, 2); },
               {"a holding schedule needs at least 2 steps after the warm-up, got 1"});
  expect_error([] { small_recipe("[schedule]\ntype = \"hold\"\nheld = 1.0"); },
               {"[schedule] held: expected a number between 0 and 1, got 1.0"});
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
