// What data kinds of files of one's own share: a training file, and a test file or a part of the
// first that is set aside; what is predicted, where the files do not say.
#pragma once

#include <functional>
#include <string>

#include "core/samples/data_kinds.h"

namespace adjoint {

/// `train`, `test`, `test_part` and `missing`.
void read_file_keys(Options& options, DataRecipe& data);
/// `task`, once the kind's own keys are read: target = {"input"} makes it reconstruction, else it
/// is what the loss predicts unless the key says it.
void read_file_task(Options& options, DataRecipe& data, Predicted predicted);
/// All of these.
void write_file_keys(const DataRecipe& data, Options& out);

/// Loads one file, or a file and that of its targets. `like`, unless null, is the training part:
/// classes and features must be its.
using FileLoader = std::function<Dataset(const std::string& input, const std::string& target,
                                         const Dataset* like)>;

/// The training file and the test file, whose samples must be alike, or the training file in two
/// parts, of which every class has its share. Throws Error for a test part of no samples.
Datasets load_file_parts(const DataRecipe& recipe, const FileLoader& load);

}  // namespace adjoint
