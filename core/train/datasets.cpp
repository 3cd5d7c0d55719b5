#include "core/train/datasets.h"

#include <numeric>
#include <utility>

#include "core/base/error.h"
#include "core/data/digits.h"

namespace adjoint {
namespace {

// The first `count` samples; all of them where count is 0.
ImageDataset first_samples(ImageDataset data, std::int64_t count, const char* key) {
  ADJOINT_CHECK(count <= data.count, "[data] ", key, ": expected at most ", data.count,
                " samples, which is what ", data.name, " has, got ", count);
  if (count == 0 || count == data.count) return data;
  std::vector<std::int64_t> indices(static_cast<std::size_t>(count));
  std::iota(indices.begin(), indices.end(), std::int64_t{0});
  return select(data, indices);
}

ImageDatasets load_all(const DataRecipe& recipe, const std::filesystem::path& folder) {
  if (recipe.name == "digits")
    return make_digits(recipe.train_count, recipe.test_count, recipe.seed);
  ADJOINT_CHECK(recipe.name == "mnist", "[data] name: expected digits or mnist, got ", recipe.name);
  const std::filesystem::path from = folder.empty() ? std::filesystem::path(recipe.folder) : folder;
  ADJOINT_CHECK(!from.empty(),
                "[data] name = \"mnist\" needs a folder with the four IDX files of MNIST; name it "
                "with --data FOLDER");
  ImageDatasets all = load_mnist(from);
  return {first_samples(std::move(all.train), recipe.train_count, "train_count"),
          first_samples(std::move(all.test), recipe.test_count, "test_count")};
}

}  // namespace

RecipeData load_recipe_data(DataRecipe& recipe, const std::filesystem::path& folder) {
  ImageDatasets all = load_all(recipe, folder);
  if (recipe.name != "digits" && !folder.empty()) {
    // Absolute, so that the run folder's recipe finds it from wherever eval is started.
    recipe.folder = std::filesystem::absolute(folder).lexically_normal().string();
  }
  recipe.train_count = all.train.count;
  recipe.test_count = all.test.count;
  RecipeData data;
  data.test = std::move(all.test);
  if (recipe.validation > 0) {
    Split split = split_validation(all.train, recipe.validation, recipe.seed);
    all.train = {};
    data.train = std::move(split.train);
    data.validation = std::move(split.validation);
  } else {
    data.train = std::move(all.train);
  }
  if (!recipe.mean) {
    const PixelStatistics pixels = pixel_statistics(data.train);
    recipe.mean = pixels.mean;
    // Images of one colour have none; they are left as they are.
    recipe.deviation = pixels.deviation > 0 ? pixels.deviation : 1.0;
  }
  return data;
}

ImageDataset load_test_data(const DataRecipe& recipe, const std::filesystem::path& folder) {
  if (recipe.name == "digits") {
    // The test set's place in the sequence does not depend on the number of training samples.
    return make_digits(1, recipe.test_count, recipe.seed).test;
  }
  return load_all(recipe, folder).test;
}

}  // namespace adjoint
