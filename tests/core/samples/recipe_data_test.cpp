#include "core/samples/recipe_data.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/base/files.h"
#include "core/train/recipe/recipe.h"
#include "support/expect_error.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::ScratchFolder;

DataRecipe small_digits() {
  return {.name = "digits", .train_count = 200, .test_count = 50, .seed = 4, .validation = 0.1};
}

TEST(RecipeData, IsDrawnSplitAndResolved) {
  DataRecipe recipe = small_digits();
  const RecipeData data = load_recipe_data(recipe);
  EXPECT_EQ(data.train.count, 180);
  EXPECT_EQ(data.validation.count, 20);
  EXPECT_EQ(data.test.count, 50);
  const PixelStatistics pixels = pixel_statistics(data.train);
  EXPECT_EQ(recipe.mean, pixels.mean);
  EXPECT_EQ(recipe.deviation, pixels.deviation);
}

TEST(RecipeData, KeepsStatisticsThatAreGiven) {
  DataRecipe recipe = small_digits();
  recipe.validation = 0;
  recipe.mean = 0.5;
  recipe.deviation = 2.0;
  const RecipeData data = load_recipe_data(recipe);
  EXPECT_EQ(data.train.count, 200);
  EXPECT_EQ(data.validation.count, 0);
  EXPECT_EQ(recipe.mean, 0.5);
  EXPECT_EQ(recipe.deviation, 2.0);
}

TEST(RecipeData, TestSamplesAloneAreTheSame) {
  DataRecipe recipe = small_digits();
  const RecipeData data = load_recipe_data(recipe);
  const Dataset test = load_test_data(recipe);
  EXPECT_EQ(test.images, data.test.images);
  EXPECT_EQ(test.labels, data.test.labels);
}

// Four IDX files of `train` and `test` images of 28x28.
void write_mnist(const ScratchFolder& folder, std::uint8_t train, std::uint8_t test) {
  const auto write = [&](const std::string& name, std::uint8_t count, bool images) {
    std::string file = {0, 0, 8, images ? '\3' : '\1', 0, 0, 0, static_cast<char>(count)};
    if (images) file += std::string({0, 0, 0, 28, 0, 0, 0, 28});
    file.append(std::size_t(count) * (images ? 784 : 1), '\1');
    write_file_atomically(folder / name, std::string_view(file));
  };
  write("train-images-idx3-ubyte", train, true);
  write("train-labels-idx1-ubyte", train, false);
  write("t10k-images-idx3-ubyte", test, true);
  write("t10k-labels-idx1-ubyte", test, false);
}

TEST(RecipeData, CutsFilesToTheCountsAskedFor) {
  const ScratchFolder folder;
  write_mnist(folder, 60, 20);
  DataRecipe recipe{.name = "mnist", .train_count = 40, .validation = 0.25};
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.train.count, 30);
  EXPECT_EQ(data.validation.count, 10);
  EXPECT_EQ(data.test.count, 20);
  EXPECT_EQ(recipe.test_count, 20) << "what the recipe left open is filled in";
  EXPECT_EQ(recipe.folder, folder.path().string());
  EXPECT_EQ(recipe.deviation, 1.0) << "pixels that are all the same have no deviation";
  EXPECT_EQ(load_test_data(recipe).count, 20) << "the folder is known now";

  recipe.train_count = 61;
  expect_error([&] { load_recipe_data(recipe, folder.path()); },
               {"train_count", "at most 60", "61"});
}

TEST(RecipeData, SaysWhichFolderItNeeds) {
  DataRecipe recipe{.name = "mnist"};
  expect_error([&] { load_recipe_data(recipe); }, {"mnist", "--data"});
  expect_error([&] { load_recipe_data(recipe, "/nowhere/at/all"); }, {"/nowhere/at/all"});
}

// Four IDX files of n images of size x size, with these labels again and again.
void write_idx_set(const ScratchFolder& folder, int n, int size, const std::vector<int>& labels) {
  for (const std::string part : {"train", "t10k"}) {
    std::string images{0, 0, 8, 3, 0, 0, 0, char(n), 0, 0, 0, char(size), 0, 0, 0, char(size)};
    std::string classes{0, 0, 8, 1, 0, 0, 0, char(n)};
    for (int i = 0; i < n; ++i) {
      images.append(std::size_t(size) * std::size_t(size), char(i));
      classes += char(labels[std::size_t(i) % labels.size()]);
    }
    write_file_atomically(folder / (part + "-images-idx3-ubyte"), std::string_view(images));
    write_file_atomically(folder / (part + "-labels-idx1-ubyte"), std::string_view(classes));
  }
}

DataRecipe mnist_recipe(int out, const std::string& rest = "") {
  return parse_recipe(str("[data]\nname = \"mnist\"\n[model]\nlayers = [{type = \"linear\", out = ",
                          out, "}]\n[loss]\n", rest),
                      "r.toml")
      .data;
}

TEST(RecipeData, SizeAndClassesAreThoseOfTheFiles) {
  const ScratchFolder folder;
  write_idx_set(folder, 60, 16, {0, 1, 2, 3});
  DataRecipe recipe = mnist_recipe(4);
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.train.sample, (Shape{1, 16, 16}));
  EXPECT_EQ(data.train.classes, 4);
  EXPECT_EQ(data.test.classes, 4);
  EXPECT_EQ(load_test_data(recipe).classes, 4);
  EXPECT_EQ(data_outline(recipe).sample, (Shape{1, 16, 16})) << "the folder is known now";
  EXPECT_EQ(data_outline(mnist_recipe(10), folder.path()).classes, 10) << "MNIST's own number";
  EXPECT_EQ(data_outline(mnist_recipe(12), folder.path()).classes, 4);
  // Without files, what MNIST is, or EMNIST: as the model has it.
  EXPECT_EQ(data_outline(mnist_recipe(47)).sample, (Shape{1, 28, 28}));
  EXPECT_EQ(data_outline(mnist_recipe(47)).classes, 47);
  EXPECT_EQ(data_outline({.name = "mnist"}).classes, 10);
  EXPECT_FALSE(outline_is_known(recipe));
}

TEST(RecipeData, IgnoredLabelsOfImagesAreInEveryPart) {
  const ScratchFolder folder;
  write_idx_set(folder, 120, 4, {0, 255, 1});
  DataRecipe recipe = mnist_recipe(2, "ignored_label = 255\n");
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.train.classes, 2);
  EXPECT_EQ(std::ranges::count(data.validation.labels, 255), 4) << "of 12, a third";
  EXPECT_EQ(class_counts(data.test), (std::vector<std::int64_t>{40, 40}));
  recipe = mnist_recipe(2);
  EXPECT_EQ(load_recipe_data(recipe, folder.path()).train.classes, 256) << "a label like others";
  write_idx_set(folder, 120, 4, {255});
  recipe = mnist_recipe(10, "ignored_label = 255\n");
  expect_error([&] { load_recipe_data(recipe, folder.path()); },
               {"none of 108 samples has a label but 255"});
}

TEST(RecipeData, AFolderThatNoRecipeCanNameIsRefused) {
  const ScratchFolder folder;
  const std::filesystem::path odd = folder /
                                    "gr\xf6\xdf"
                                    "e";
  std::filesystem::create_directory(odd);
  write_file_atomically(odd / "t.csv", std::string_view("a,k\n1,x\n2,y\n3,x\n4,y\n5,x\n"));
  DataRecipe recipe{.name = "csv", .validation = 0, .train = "t.csv", .target = {"k"}};
  expect_error([&] { load_recipe_data(recipe, odd); }, {"gr??e' is not UTF-8", "ln -s"});
  std::filesystem::create_directory_symlink(odd, folder / "link");
  EXPECT_EQ(load_recipe_data(recipe, folder / "link").train.count, 4);
}

TEST(RecipeData, WhatIsDrawnTakesNoFolder) {
  DataRecipe recipe = small_digits();
  expect_error([&] { load_recipe_data(recipe, "/tmp"); }, {"\"digits\" is drawn", "--data /tmp"});
}

// ---- tables

// y = 3 a - b, kind = the sign of a; the rows run through a grid.
std::string grid_csv(int rows, int first = 0) {
  std::string text = "id,a,b,kind,y\n";
  for (int i = first; i < first + rows; ++i) {
    const int a = i % 11 - 5, b = i % 7;
    text += str(i, ",", a, ",", b, ",", a < 0 ? "low" : "high", ",", 3 * a - b, "\n");
  }
  return text;
}

DataRecipe csv_recipe(const std::string& rest, const std::string& loss = "softmax_cross_entropy") {
  return parse_recipe("[data]\nname = \"csv\"\ntrain = \"t.csv\"\n" + rest +
                          "[model]\nlayers = [{type = \"relu\"}]\n[loss]\ntype = \"" + loss +
                          "\"\n",
                      "r.toml")
      .data;
}

double mean(const std::vector<float>& values) {
  double sum = 0;
  for (const float value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

TEST(RecipeData, ATableIsSplitInThreeAndNormalisedByItsTrainingPart) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view(grid_csv(200)));
  DataRecipe recipe = csv_recipe("target = \"y\"\nignore = [\"id\", \"kind\"]\n", "mse");
  EXPECT_EQ(recipe.task, Task::regression) << "as the loss says";
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.test.count, 40);
  EXPECT_EQ(data.validation.count, 16);
  EXPECT_EQ(data.train.count, 144);
  EXPECT_EQ(data.train.feature_names, (std::vector<std::string>{"a", "b"}));
  EXPECT_NEAR(mean(data.train.features), 0, 1e-6);
  EXPECT_NEAR(mean(data.train.targets), 0, 1e-6);
  EXPECT_GT(std::abs(mean(data.test.targets)), 1e-4) << "the test part is not measured";
  // By the statistics a feature is what stood in the file.
  const Normalisation& input = data.statistics.input;
  const Normalisation& target = data.statistics.target;
  for (const Dataset* part : {&data.train, &data.validation, &data.test}) {
    for (std::int64_t i = 0; i < part->count; ++i) {
      const double a = part->row(i)[0] * input.deviation[0] + input.mean[0];
      const double b = part->row(i)[1] * input.deviation[1] + input.mean[1];
      const double y = part->targets[std::size_t(i)] * target.deviation[0] + target.mean[0];
      EXPECT_NEAR(y, 3 * a - b, 1e-4);
    }
  }
  // Evaluation, from the resolved recipe and the statistics in the model's file.
  EXPECT_EQ(recipe.folder, folder.path().string());
  const Dataset test = load_test_data(recipe, {}, data.statistics);
  EXPECT_EQ(test.features, data.test.features);
  EXPECT_EQ(test.targets, data.test.targets);
  DataStatistics other = data.statistics;
  other.input.mean.push_back(0);
  expect_error([&] { load_test_data(recipe, {}, other); }, {"2 columns", "trained on 3"});
}

TEST(RecipeData, LabelsOfATableKeepTheirClassesInTheTestFile) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view(grid_csv(100)));
  // Only the class "high" comes in the test file.
  write_file_atomically(folder / "test.csv",
                        std::string_view("id,a,b,kind,y\n1,2,3,high,4\n2,3,4,high,5\n"));
  DataRecipe recipe = csv_recipe(
      "target = \"kind\"\ntest = \"test.csv\"\nignore = [\"id\", \"4\"]\nnormalise = false\n");
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(recipe.classes, (std::vector<std::string>{"high", "low"}));
  EXPECT_EQ(data.test.classes, 2);
  EXPECT_EQ(data.test.labels, (std::vector<std::int32_t>{0, 0}));
  EXPECT_EQ(data.test.features, (std::vector<float>{2, 3, 3, 4})) << "as they stand in the file";
  const Dataset outline = data_outline(recipe);
  EXPECT_EQ(outline.sample, Shape{2});
  EXPECT_EQ(outline.classes, 2);
  EXPECT_EQ(outline.count, 0);

  write_file_atomically(folder / "test.csv", std::string_view("id,a,b,kind,y\n1,2,3,medium,4\n"));
  expect_error([&] { load_recipe_data(recipe, folder.path()); },
               {"test.csv: line 2: unknown label 'medium'"});
  write_file_atomically(folder / "test.csv", std::string_view("id,b,a,kind,y\n1,2,3,high,4\n"));
  expect_error([&] { load_recipe_data(recipe, folder.path()); }, {"test.csv: feature 0 is 'b'"});
}

TEST(RecipeData, LabelsMayBeUnknown) {
  const ScratchFolder folder;
  std::string text = "a,k\n";
  for (int i = 0; i < 100; ++i)
    text += str(i, ",", i % 2 == 0 ? "?" : i % 4 == 1 ? "x" : "y", "\n");
  write_file_atomically(folder / "t.csv", std::string_view(text));
  write_file_atomically(folder / "test.csv", std::string_view("a,k\n1,y\n2,?\n"));
  DataRecipe recipe = csv_recipe("target = \"k\"\nunknown = \"?\"\ntest = \"test.csv\"\n");
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(recipe.classes, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(data.train.count, 90);
  EXPECT_EQ(class_counts(data.train)[0] + class_counts(data.train)[1], 45);
  EXPECT_EQ(std::ranges::count(data.validation.labels, -100), 5);
  EXPECT_EQ(data.test.labels, (std::vector<std::int32_t>{1, -100}));
  EXPECT_EQ(load_test_data(recipe, {}, data.statistics).labels, data.test.labels);
}

TEST(RecipeData, ATableMayBeInAnotherEncoding) {
  const ScratchFolder folder;
  std::string text =
      "gr\xf6\xdf"
      "e,land\n";
  for (int i = 0; i < 20; ++i) text += str(i, i % 2 == 0 ? ",\xd6sterreich\n" : ",Schweiz\n");
  write_file_atomically(folder / "t.csv", std::string_view(text));
  DataRecipe recipe = csv_recipe("target = \"land\"\n");
  expect_error([&] { load_recipe_data(recipe, folder.path()); }, {"line 1", "encoding"});
  recipe = csv_recipe("target = \"land\"\nencoding = \"cp1252\"\n");
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(recipe.classes, (std::vector<std::string>{"Schweiz", "\xc3\x96sterreich"}));
  EXPECT_EQ(data.train.feature_names, (std::vector<std::string>{"gr\xc3\xb6\xc3\x9f"
                                                                "e"}));
}

TEST(RecipeData, ArraysComeFromNumpysFiles) {
  const ScratchFolder folder;
  std::string pixels, labels;
  for (int i = 0; i < 20; ++i) {
    pixels.append(6, static_cast<char>(10 * i));
    labels += static_cast<char>(i % 4);
  }
  const auto write = [&](const std::string& name, const std::string& type, const std::string& shape,
                         const std::string& elements) {
    write_file_atomically(
        folder / name, test::zip_of("a.npy", test::npy(test::dictionary(type, shape), elements)));
  };
  write("x.npz", "|u1", "(20, 2, 3)", pixels);
  write("y.npz", "|u1", "(20,)", labels);
  write("x_test.npz", "|u1", "(2, 2, 3)", pixels.substr(0, 12));
  write("y_test.npz", "|u1", "(2,)", labels.substr(0, 2));
  DataRecipe recipe = parse_recipe(R"([data]
name = "npy"
train = "x.npz:a"
train_target = "y.npz:a"
test = "x_test.npz:a"
test_target = "y_test.npz:a"
validation = 0
[model]
layers = [{type = "relu"}])",
                                   "r.toml")
                          .data;
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.train.type, DType::uint8);
  EXPECT_EQ(data.train.sample, (Shape{1, 2, 3}));
  EXPECT_EQ(data.train.classes, 4);
  EXPECT_EQ(data.test.classes, 4) << "though two are all that come";
  EXPECT_EQ(data.test.image(1)[5], 10);
  EXPECT_EQ(recipe.mean, pixel_statistics(data.train).mean);
  EXPECT_EQ(load_test_data(recipe).images, data.test.images);

  recipe.train = "y.npz:a";  // numbers of one column, and a part of them for tests
  recipe.test = recipe.test_target = "";
  recipe.task = Task::regression;
  const RecipeData numbers = load_recipe_data(recipe);
  EXPECT_EQ(numbers.train.type, DType::float32);
  EXPECT_EQ(numbers.train.count, 16);
  EXPECT_EQ(numbers.test.count, 4);
  EXPECT_EQ(numbers.train.outputs, 1);
  EXPECT_NEAR(mean(numbers.train.targets), 0, 1e-6);

  write("y_test.npz", "|u1", "(3,)", labels.substr(0, 3));
  recipe.task = Task::classification;
  recipe.train = "x.npz:a";
  recipe.test = "x_test.npz:a";
  recipe.test_target = "y_test.npz:a";
  expect_error([&] { load_recipe_data(recipe); }, {"x_test.npz", "2 samples", "uint8 [3]"});
}

// A mask of 0 and 255 in the last of four rows, behind one that is left out.
TEST(RecipeData, TargetsOutsideTheLossAreNamedByTheirRowInTheFile) {
  const ScratchFolder folder;
  const auto write = [&](const std::string& name, const std::string& shape,
                         std::initializer_list<float> values) {
    write_file_atomically(folder / name,
                          test::npy(test::dictionary("<f4", shape), test::raw<float>(values)));
  };
  write("x.npy", "(4, 1)", {1, NAN, 3, 4});
  write("y.npy", "(4, 2)", {0, 1, 1, 0, 1, 1, 0, 255});
  DataRecipe recipe{.name = "npy",
                    .validation = 0,
                    .task = Task::regression,
                    .normalise_target = false,
                    .train = "x.npy",
                    .train_target = "y.npy",
                    .drop_missing = true};
  const LossTargets unit{.loss = "some_loss", .range = ValueRange::between(0, 1)};
  expect_error([&] { load_recipe_data(recipe, folder.path(), unit); },
               {"y.npy: row 3, column 1", "255", "some_loss", "by 255"});
  EXPECT_NO_THROW(load_recipe_data(recipe, folder.path()));
  write("y.npy", "(4, 2)", {0, 1, 1, 0, 1, 1, 0, 1});
  EXPECT_NO_THROW(load_recipe_data(recipe, folder.path(), unit));
  recipe.normalise_target = true;
  expect_error([&] { load_recipe_data(recipe, folder.path(), unit); },
               {"normalise_target", "some_loss", "false"});
}

// Numbers that a generated table holds are none that a loss of probabilities takes, and neither are
// pixels that were normalised, where the input is the target.
TEST(RecipeData, NoSourceOfTargetsIsLeftUnasked) {
  const LossTargets unit{.loss = "some_loss", .range = ValueRange::between(0, 1)};
  DataRecipe table{.name = "regression",
                   .train_count = 100,
                   .test_count = 20,
                   .task = Task::regression,
                   .normalise_target = false};
  expect_error([&] { load_recipe_data(table, {}, unit); }, {"regression", "sample", "mse"});
  DataRecipe pixels = small_digits();
  pixels.task = Task::reconstruction;
  expect_error([&] { load_recipe_data(pixels, {}, unit); }, {"mean = 0.0", "deviation = 1.0"});
  pixels.mean = 0;
  pixels.deviation = 1;
  EXPECT_NO_THROW(load_recipe_data(pixels, {}, unit));
}

TEST(RecipeData, TheInputMayBeTheTarget) {
  DataRecipe recipe = small_digits();
  recipe.task = Task::reconstruction;
  const RecipeData data = load_recipe_data(recipe);
  EXPECT_EQ(data.train.classes, 0);
  EXPECT_TRUE(data.train.labels.empty());
  EXPECT_EQ(data_outline(recipe).classes, 0);
  EXPECT_EQ(load_test_data(recipe).images, data.test.images);
}

TEST(RecipeData, GeneratedTablesAreKnownWithoutBeingDrawn) {
  DataRecipe recipe{.name = "tabular", .train_count = 100, .test_count = 20};
  EXPECT_EQ(data_outline(recipe).classes, 4);
  EXPECT_EQ(data_outline(recipe).sample, Shape{16});
  const RecipeData data = load_recipe_data(recipe);
  EXPECT_EQ(data.statistics.input.mean.size(), 16u);
  EXPECT_EQ(load_test_data(recipe, {}, data.statistics).features, data.test.features);
}

}  // namespace
}  // namespace adjoint
