// Samples for a trained model to look at: files of pictures or tables, which need not lie where the
// training data did.
#pragma once

#include <string>

#include "core/samples/data_recipe.h"
#include "core/samples/dataset.h"

namespace adjoint {

struct SampleOptions {
  /// Pictures are dark on light; the model learned light on dark.
  bool invert = false;
};

/// The samples of one file, without targets, values as they are in the file:
///
///   PNG         one sample, of models of images: scaled and centred (fit_image), gray or colour as
///               the model takes it, black (or, inverted, white) where it is transparent
///   IDX         bytes [samples, height, width], or with channels: images of exactly the model's
///               size; other models: numbers
///   NPY         the same; FILE.npz:ARRAY names an array of an NPZ file, which also has the
///               outline's further arrays, by their names; one sample without the leading axis as
///               well
///   CSV         of models of tables, read as the recipe says: columns by the names that the
///               features had in training, in any order, others passed over; without a header the
///               features alone, or all columns of the training file
///
/// told apart by the name's ending, else by content. Throws Error naming the file for what cannot
/// be read, for samples that are not the model's and where there are no pictures to invert.
Dataset read_samples(const std::string& file, const Dataset& outline, const DataRecipe& recipe,
                     const SampleOptions& options = {});

}  // namespace adjoint
