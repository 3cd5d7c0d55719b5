// The data that a recipe names, in host memory: loaded or drawn, cut to the counts it asks for,
// split and normalised.
#pragma once

#include <filesystem>

#include "core/data/dataset.h"
#include "core/data/statistics.h"
#include "core/train/recipe.h"

namespace adjoint {

struct RecipeData {
  Dataset train;
  Dataset validation;  ///< of no samples where the recipe sets none aside
  Dataset test;
  /// Of the training part; the tables of all three are normalised by it, images will be by loaders.
  DataStatistics statistics;
  /// What people should know of the data, a line each (core/data/table_notices.h).
  std::vector<std::string> notices;
};

/// Loads the data; `folder`, unless empty, comes before the recipe's. Fills in what the recipe left
/// open: counts, folder, classes, mean and deviation of the training pixels. Throws Error for files
/// that are missing or broken, for more samples than there are, for a class without training
/// samples where classes are to be balanced, for numbers so far from the training part's that they
/// would be infinite once normalised, and for a folder where nothing is read.
RecipeData load_recipe_data(DataRecipe& recipe, const std::filesystem::path& folder = {});

/// The test set alone, for a resolved recipe: what evaluation needs. A table is normalised by
/// `statistics`, those of the training that the model file holds.
Dataset load_test_data(const DataRecipe& recipe, const std::filesystem::path& folder = {},
                       const DataStatistics& statistics = {});

/// A data set of no samples, which says what samples of the recipe are: their type and shape,
/// classes, numbers to predict. Known of sets that are drawn and of mnist; csv and npy files are
/// read for it.
Dataset data_outline(const DataRecipe& recipe, const std::filesystem::path& folder = {});

/// Whether the outline is known without files.
bool outline_is_known(const DataRecipe& recipe);

/// What loaders do to pixels under these statistics.
PixelStatistics pixel_scale(const DataStatistics& statistics);

/// class_weights = "balanced" among the options of a loss becomes the list of
/// balanced_class_weights of the training part; of a data set of no samples, ones.
void resolve_class_weights(LayerRecipe& loss, const Dataset& train);

}  // namespace adjoint
