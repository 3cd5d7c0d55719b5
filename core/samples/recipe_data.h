// The data that a recipe names, in host memory: loaded or drawn, cut to the counts it asks for,
// split and normalised.
#pragma once

#include <filesystem>

#include "core/samples/data_recipe.h"
#include "core/samples/dataset.h"
#include "core/samples/statistics.h"
#include "core/samples/target_check.h"

namespace adjoint {

struct RecipeData {
  Dataset train;
  Dataset validation;  ///< of no samples where the recipe sets none aside
  Dataset test;
  /// Of the training part; the tables of all three are normalised by it, images will be by loaders.
  DataStatistics statistics;
  /// What people should know of the data, a line each (core/samples/table_notices.h).
  std::vector<std::string> notices;
};

/// Loads the data; `folder`, unless empty, comes before the recipe's. Fills in what the recipe left
/// open: counts, folder, classes, mean and deviation of the training pixels. Throws Error for files
/// that are missing or broken, for more samples than there are, for a part of which no label is
/// known, for a folder whose name a recipe cannot hold or where nothing is read, for a class
/// without training samples where classes are to be balanced, for numbers so far from the training
/// part's that they would be infinite once normalised, and for targets that the loss is not defined
/// for, with file, line and value.
RecipeData load_recipe_data(DataRecipe& recipe, const std::filesystem::path& folder = {},
                            const LossTargets& wanted = {});

/// The test set alone, for a resolved recipe: what evaluation needs. A table is normalised by
/// `statistics`, those of the training that the model file holds.
Dataset load_test_data(const DataRecipe& recipe, const std::filesystem::path& folder = {},
                       const DataStatistics& statistics = {}, const LossTargets& wanted = {});

/// A data set of no samples, which says what samples of the recipe are: their type and shape,
/// classes, numbers to predict. Known of sets that are drawn; files are read for it, but of mnist
/// without a folder, or with one that is not there, the outline is that of MNIST's own images and
/// as many classes as the model makes.
Dataset data_outline(const DataRecipe& recipe, const std::filesystem::path& folder = {});

/// Whether the outline is known without files, whatever these may hold.
bool outline_is_known(const DataRecipe& recipe);

}  // namespace adjoint
