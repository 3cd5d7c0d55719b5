// The data that a recipe names, in host memory: loaded or drawn, cut to the counts it asks for, and
// split.
#pragma once

#include <filesystem>

#include "core/data/dataset.h"
#include "core/train/recipe.h"

namespace adjoint {

struct RecipeData {
  ImageDataset train;
  ImageDataset validation;  ///< of no samples where the recipe sets none aside
  ImageDataset test;
};

/// Loads the data; `folder`, unless empty, comes before the recipe's. Fills in what the recipe left
/// open: counts, folder, mean and deviation of the training pixels. Throws Error for files that are
/// missing or broken, and for more samples than there are.
RecipeData load_recipe_data(DataRecipe& recipe, const std::filesystem::path& folder = {});

/// The test set alone, for a resolved recipe: what evaluation needs.
ImageDataset load_test_data(const DataRecipe& recipe, const std::filesystem::path& folder = {});

}  // namespace adjoint
