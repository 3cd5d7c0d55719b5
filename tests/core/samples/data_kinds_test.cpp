// A kind of data as a plugin has it: registered here, found by a recipe.
#include "core/samples/data_kinds.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/samples/recipe_data.h"
#include "core/train/recipe/recipe.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

// One feature, time, and one number, a wave of it; the period is a key of the kind's own.
Dataset wave(const std::string& name, std::int64_t count, double period) {
  Dataset data{.name = name,
               .count = count,
               .type = DType::float32,
               .sample = {1},
               .feature_names = {"time"},
               .outputs = 1};
  for (std::int64_t i = 0; i < count; ++i) {
    data.features.push_back(static_cast<float>(i));
    data.targets.push_back(static_cast<float>(std::sin(double(i) / period)));
  }
  return data;
}

DataKind wave_kind(const std::string& name) {
  return {.name = name,
          .input = DataInput::features,
          .drawn = true,
          .read =
              [](Options& options, DataRecipe& data, Predicted) {
                read_counts(options, data, 100, 10, /*least=*/1);
                read_known_target(options, data, Task::regression);
                data.own["period"] = options.number("period", 5);
              },
          .write = write_counts,
          .load =
              [](const DataRecipe& recipe, const auto&, const LossTargets&) {
                const double period = std::get<double>(recipe.own.at("period"));
                return Datasets{wave("wave train", recipe.train_count, period),
                                wave("wave test", recipe.test_count, period)};
              }};
}

const bool kWave = register_data_kind(wave_kind("wave"));
// Two plugins of one name, and one that is not done.
const bool kFirst = register_data_kind(wave_kind("taken"));
const bool kSecond = register_data_kind(wave_kind("taken"));
const bool kUnfinished = register_data_kind({.name = "unfinished"});
const bool kOtherwise = register_data_kind(wave_kind("otherwise"), "version=0.0");

Recipe recipe_of(const std::string& data) {
  return parse_recipe("[data]\n" + data +
                          "\n[loss]\ntype = \"mse\"\n[model]\nlayers = [{type = \"linear\", out = "
                          "1}]\n[train]\nepochs = 1\n",
                      "r.toml");
}

TEST(DataKinds, APluginsKindIsLoadedByARecipe) {
  Recipe recipe = recipe_of("name = \"wave\"\ntrain_count = 40\nperiod = 2.5\nvalidation = 0.25");
  EXPECT_EQ(recipe.data.task, Task::regression);
  const RecipeData data = load_recipe_data(recipe.data);
  EXPECT_EQ(data.train.count, 30);
  EXPECT_EQ(data.validation.count, 10);
  EXPECT_EQ(data.test.count, 10);
  ASSERT_EQ(data.statistics.input.mean.size(), 1u) << "what is common is done to it";
  EXPECT_NEAR(
      data.test.targets[3] * data.statistics.target.deviation[0] + data.statistics.target.mean[0],
      std::sin(3 / 2.5), 1e-6);
  EXPECT_EQ(data_outline(recipe.data).feature_names, std::vector<std::string>{"time"});
  EXPECT_TRUE(outline_is_known(recipe.data));
  // The resolved recipe has all of its keys.
  EXPECT_EQ(parse_recipe(to_toml(recipe), "again.toml").data, recipe.data);
}

TEST(DataKinds, ItsKeysAreCheckedLikeAnyOthers) {
  expect_error([] { recipe_of("name = \"wave\"\nperoid = 2.5"); },
               {"r.toml, line 3", "[data]", "'peroid'", "did you mean 'period'?"});
  expect_error([] { recipe_of("name = \"wave\"\ntrain_count = 0"); },
               {"train_count", "at least 1"});
  expect_error([] { recipe_of("name = \"digits\"\nperiod = 2.5"); }, {"'period'"});
  expect_error([] { recipe_of("name = \"wav\""); }, {"did you mean 'wave'?"});
}

TEST(DataKinds, ANameThatIsTakenIsAnErrorWhereItIsAskedFor) {
  EXPECT_TRUE(kFirst);
  EXPECT_FALSE(kSecond);
  expect_error([] { recipe_of("name = \"taken\""); }, {"2 kinds of data named taken"});
  expect_error([] { data_kind("unfinished"); }, {"unfinished", "read, write and load"});
  expect_error([] { data_kind("nothing"); }, {"expected csv, digits", "got nothing"});
  EXPECT_TRUE(kOtherwise);
  expect_error([] { data_kind("otherwise"); },
               {"data kind 'otherwise'", "expected version=" ADJOINT_VERSION, "found version=0.0"});
}

TEST(DataKinds, BuiltInOnesEnterThemselves) {
  for (const char* name : {"digits", "tabular", "regression"})
    EXPECT_TRUE(data_kind(name).drawn) << name;
  for (const char* name : {"mnist", "csv", "npy"}) EXPECT_FALSE(data_kind(name).drawn) << name;
  EXPECT_TRUE(kWave);
}

}  // namespace
}  // namespace adjoint
