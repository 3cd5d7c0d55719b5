// From what the readers of files give (csv.h, npy.h) to data sets: labels become classes, rows with
// missing numbers are refused or left out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/data/readers/csv.h"
#include "core/data/readers/npy.h"
#include "core/samples/dataset.h"

namespace adjoint {

/// Labels of samples whose class is not known.
struct UnknownLabels {
  /// How a table spells them.
  std::vector<std::string> texts = {};
  /// What they are in a data set (Dataset::ignored_label); unless they are to be learned, -100.
  /// Where it is given, the text of that number is another spelling, if it numbers no class: -1
  /// beside labels of 0 to 9, or 255.
  std::optional<std::int32_t> number = {};
};

/// The classes of a table's labels: their different texts but the unknown ones, sorted, by value
/// where all are whole numbers. Throws Error for a single class, and for so many that they look
/// like numbers to predict.
std::vector<std::string> label_classes(const CsvTable& table, const std::string& name,
                                       const UnknownLabels& unknown = {});

/// The table as a data set; `classes` are those of its labels, class c being classes[c]. Throws
/// Error naming line and label for a label that is none of them and not unknown, for a class of the
/// number that unknown ones are to have, and for feature names other than `features`, unless that
/// is empty.
Dataset table_dataset(CsvTable table, const std::string& name,
                      const std::vector<std::string>& classes,
                      const std::vector<std::string>& features = {},
                      const UnknownLabels& unknown = {});

/// What the arrays of a data set are to be.
struct ArrayOptions {
  /// Targets are classes, whole numbers from 0; else numbers to predict.
  bool labels = false;
  /// Labels lie below this; 0: as many classes as the largest label says.
  std::int32_t classes = 0;
  /// Rows with a NaN are left out; else they are errors.
  bool drop_missing = false;
  /// Dataset::ignored_label; unless it is the next after the largest of the others, it makes no
  /// class.
  std::int32_t ignored_label = -100;
};

/// Arrays as a data set: `input` of [count, ...], bytes of three axes or more being images ([count,
/// height, width] of one channel), anything else float32; `target`, unless null, [count] or [count,
/// outputs]. Throws Error where shapes do not go together, for an empty set, labels that are no
/// classes and classes without samples.
Dataset array_dataset(const std::string& name, const NpyArray& input, const NpyArray* target,
                      const ArrayOptions& options);

/// An array beside these, in its own type: integers as int32, but bytes of three axes or more,
/// which are images; floats as float32, those of one axis as [count, 1]. Throws Error for integers
/// beyond int32, and for NaN.
DataArray further_array(const std::string& file, const NpyArray& array, const std::string& name,
                        bool per_sample);

}  // namespace adjoint
