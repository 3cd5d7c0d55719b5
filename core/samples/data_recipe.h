// What a recipe says of its data, [data]. The keys that all kinds of data have are read and written
// here, those of a kind by its entry (core/samples/data_kinds.h).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/tensor/predicted.h"

namespace adjoint {

/// What is to be predicted of a sample: its class, numbers, or the sample itself.
enum class Task : std::uint8_t { classification, regression, reconstruction };

struct DataRecipe {
  /// A registered kind: "digits" (drawn images), "tabular", "regression" (generated tables), all
  /// without files; "mnist" (four IDX files), "csv", "npy"; or a plugin's.
  std::string name = "digits";
  /// Where files lie; empty: named by the program, or where it was started.
  std::string folder = {};
  /// Samples, the first ones of a file; 0: all of mnist. What is drawn has no end and defaults to
  /// 30,000 and 10,000.
  std::int64_t train_count = 0;
  std::int64_t test_count = 0;
  /// Of what is drawn and of the choice of validation and test samples.
  std::uint64_t seed = 1;
  /// Part of the training samples set aside, in [0, 1).
  double validation = 0.1;
  /// Pixels in [0, 1], and numbers of npy files as they are, become (value - mean) / deviation. Of
  /// pixels measured on the training samples unless given; a resolved recipe gives them, so that
  /// evaluation sees what training saw.
  std::optional<double> mean = {};
  std::optional<double> deviation = {};

  /// What the recipe says elsewhere of the data's classes, no keys of [data]: the loss's
  /// ignored_label, where it is given, and how many numbers the model's last layer makes.
  std::optional<std::int32_t> ignored_label = {};
  std::optional<std::int32_t> model_classes = {};

  /// target = "input" makes it reconstruction. Otherwise csv and npy say it, or leave it to the
  /// loss: a cross-entropy is for classes.
  Task task = Task::classification;
  /// Classes are drawn equally often, with replacement, instead of each sample once an epoch.
  bool balanced_sampling = false;

  // Tables: csv, npy and generated ones.

  /// Features and targets are given to the model with mean 0 and deviation 1, as measured on the
  /// training part, column by column unless `mean` is given. A model file holds by what
  /// (core/train/files/model_file.h). Without, pixels of npy files are left in [0, 1].
  bool normalise = true;
  /// Off by default for losses of probabilities: 0 and 1 mean something as they are.
  bool normalise_target = true;

  // csv and npy: files, in `folder`. For npy each is FILE.npy or FILE.npz:ARRAY.

  std::string train = {};
  /// Empty: `test_part` of the training file is set aside.
  std::string test = {};
  double test_part = 0.2;
  /// npy only. Of `arrays` and `shared_arrays` (Dataset::arrays), the names in the archives.
  std::string train_target = {}, test_target = {};
  std::vector<std::string> arrays = {}, shared_arrays = {};
  /// Rows with missing numbers, or without a label, are left out rather than refused.
  bool drop_missing = false;

  // csv only.

  /// Columns, by name or number from 0: one of labels, or one or more of numbers.
  std::vector<std::string> target = {};
  std::vector<std::string> ignore = {};
  bool header = true;
  char separator = ',';
  /// Of the files' text, as iconv names it.
  std::string encoding = "utf-8";
  /// Labels of samples whose class is not known; they become ignored_label, or -100.
  std::vector<std::string> unknown = {};
  /// Of the columns, in order, where a model has been trained on them: no key, but what its file
  /// says. Empty: those of the training part.
  std::vector<std::string> feature_names = {};
  /// Texts of the classes; a resolved recipe gives them. Where "" is among them, an empty label is
  /// a class and not missing.
  std::vector<std::string> classes = {};

  /// Keys of a kind that has others than these, as its entry read them; written as they are.
  std::map<std::string, OptionValue> own = {};

  bool operator==(const DataRecipe&) const = default;
};

/// Reads [data] of a recipe whose loss predicts that, by the entry of its kind. Throws Error for
/// kinds and keys that nobody knows, values out of range, and keys without effect.
DataRecipe read_data_recipe(Options& options, Predicted predicted);

/// The table that reads to the same recipe, every default filled in.
Options data_options(const DataRecipe& recipe);

}  // namespace adjoint
