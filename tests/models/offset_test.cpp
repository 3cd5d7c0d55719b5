// Numbers far from 0 beside their deviation, from the file to what is predicted: a column
// 1700000000 + i loses its digits wherever it becomes float32 before its mean is taken away.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "core/data/readers/sample_files.h"
#include "core/train/files/model_file.h"
#include "core/train/files/outline.h"
#include "core/train/judging/predictor.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"
#include "support/table_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::ScratchFolder;
using OffsetTest = DeviceTest;

constexpr std::int64_t kBase = 1'700'000'000;
constexpr int kRows = 100;

template <class T>
void write_column(const std::filesystem::path& path, const std::string& type,
                  const std::function<double(int)>& value) {
  std::string raw;
  for (int i = 0; i < kRows; ++i) raw += test::raw<T>({static_cast<T>(value(i))});
  write_file_atomically(path, std::span<const std::byte>(
                                  test::npy(test::dictionary(type, str("(", kRows, ", 1)")), raw)));
}

double far(int i) { return static_cast<double>(kBase + i); }
double near(int i) { return i / 2.0 + 3; }

/// Linear regression of the column `target` of one file on the other, by either kind of file.
Recipe recipe_of(const std::string& data) {
  return parse_recipe("[data]\n" + data +
                          "[model]\nlayers = [{type = \"linear\", out = 1}]\n[loss]\ntype = "
                          "\"mse\"\n[optim]\nlr = 0.05\n[train]\nepochs = 60\nbatch = 8\n",
                      "r.toml");
}

std::vector<std::string> recipes_of(const ScratchFolder& folder) {
  std::string csv = "t,y\n";
  for (int i = 0; i < kRows; ++i) csv += str(kBase + i, ",", near(i), "\n");
  write_file_atomically(folder / "t.csv", std::string_view(csv));
  write_column<std::int64_t>(folder / "i8.npy", "<i8", far);
  write_column<double>(folder / "f8.npy", "<f8", far);
  write_column<float>(folder / "y.npy", "<f4", near);
  const std::string csv_data = "name = \"csv\"\ntrain = \"t.csv\"\ntarget = ";
  const std::string npy = "name = \"npy\"\ntrain = ";
  return {csv_data + "\"y\"\n",
          csv_data + "\"t\"\n",
          npy + "\"i8.npy\"\ntrain_target = \"y.npy\"\n",
          npy + "\"f8.npy\"\ntrain_target = \"y.npy\"\n",
          npy + "\"y.npy\"\ntrain_target = \"i8.npy\"\n",
          npy + "\"y.npy\"\ntrain_target = \"f8.npy\"\n"};
}

TEST_F(OffsetTest, FeaturesAndTargetsKeepTheirDigits) {
  const ScratchFolder folder;
  for (const std::string& data : recipes_of(folder)) {
    SCOPED_TRACE(data);
    TableRun run(recipe_of(data), folder.path());
    const Evaluation found = run.run();
    ASSERT_EQ(found.r_squared.size(), 1u);
    EXPECT_GT(found.r_squared[0], 0.999);
  }
}

// From the model's file, as `adjoint eval` and `adjoint predict` see it.
TEST_F(OffsetTest, EvaluationAndPredictionSeeThemToo) {
  const ScratchFolder folder;
  const std::vector<std::string> all = recipes_of(folder);
  write_file_atomically(folder / "p.csv", std::string_view("t\n1700000010\n1700000050\n"));
  write_file_atomically(folder / "q.csv", std::string_view("y\n8\n28\n"));
  for (const bool target : {false, true}) {
    TableRun run(recipe_of(all[target ? 1 : 0]), folder.path());
    const Evaluation found = run.run();
    const RunFolder saved = RunFolder::create({.out = folder / (target ? "b" : "a")});
    const Dataset outline = data_outline(run.recipe.data);
    save_model(saved.model(), run.trainer->best(), outline_metadata(outline), run.statistics);
    write_file_atomically(saved.recipe(), std::string_view(to_toml(run.recipe)));
    const DataStatistics statistics = load_statistics(saved.model());
    EXPECT_EQ(statistics, run.statistics) << "float64 in the file";

    const Recipe again = read_recipe(saved.recipe());
    const auto test = std::make_shared<Dataset>(load_test_data(again.data, {}, statistics));
    Loader loader(run.context, test, {.batch = 8, .shuffle = false});
    EXPECT_EQ(Evaluator(run.model, loader, statistics.target).run().loss, found.loss);

    Context context;
    Predictor predictor(context, saved);
    const Dataset samples = read_samples((folder / (target ? "q.csv" : "p.csv")).string(),
                                         predictor.outline(), predictor.recipe().data);
    const std::vector<double> predicted = predictor.numbers(*sample_loader(
        context, samples, predictor.outline(), predictor.statistics(), predictor.batch()));
    ASSERT_EQ(predicted.size(), 2u);
    EXPECT_NEAR(predicted[0], target ? 1'700'000'010.0 : 8, 0.2);
    EXPECT_NEAR(predicted[1], target ? 1'700'000'050.0 : 28, 0.2);
    if (target) continue;
    EXPECT_NEAR(model_input(samples, 1, statistics)[0] - model_input(samples, 0, statistics)[0],
                40 / statistics.input.deviation[0], 1e-5);
  }
}

TEST_F(OffsetTest, StreamedDataAreTheSame) {
  const ScratchFolder folder;
  recipes_of(folder);
  expect_streams_alike(recipe_of("name = \"csv\"\ntrain = \"t.csv\"\ntarget = \"y\"\n"), 8, 40,
                       folder.path());
}

// All zeros but one 1e-42, and 1 in the test part: nothing is divided by a deviation of 7e-44.
TEST_F(OffsetTest, ANearlyConstantColumnLeavesErrorsFinite) {
  const ScratchFolder folder;
  std::string train = "c,x,y\n", test = train;
  for (int i = 0; i < 200; ++i)
    train += str(i == 7 ? "1e-42" : "0", ",", i % 13, ",", i % 13, "\n");
  for (int i = 0; i < 20; ++i) test += str("1,", i % 13, ",", i % 13, "\n");
  write_file_atomically(folder / "t.csv", std::string_view(train));
  write_file_atomically(folder / "test.csv", std::string_view(test));
  TableRun run(
      recipe_of("name = \"csv\"\ntrain = \"t.csv\"\ntest = \"test.csv\"\ntarget = \"y\"\n"),
      folder.path());
  const Evaluation found = run.run();
  EXPECT_LT(found.mean_absolute_errors[0], 20);
  EXPECT_TRUE(std::isfinite(found.loss));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
