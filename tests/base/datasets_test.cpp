#include "core/train/datasets.h"

#include <gtest/gtest.h>

#include "base/expect_error.h"
#include "base/scratch_folder.h"
#include "core/base/files.h"

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
  const ImageDataset test = load_test_data(recipe);
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

}  // namespace
}  // namespace adjoint
