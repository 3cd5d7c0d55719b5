// From what the readers of files give (csv.h, npy.h) to data sets: labels become classes, rows with
// missing numbers are refused or left out.
#pragma once

#include <string>
#include <vector>

#include "core/data/csv.h"
#include "core/data/dataset.h"
#include "core/data/npy.h"

namespace adjoint {

/// The classes of a table's labels: their different texts, sorted, by value where all are whole
/// numbers. Throws Error for a single class, and for so many that they look like numbers to
/// predict.
std::vector<std::string> label_classes(const CsvTable& table, const std::string& name);

/// The table as a data set; `classes` are those of its labels, class c being classes[c]. Throws
/// Error naming line and label for a label that is none of them, and for feature names other than
/// `features`, unless that is empty.
Dataset table_dataset(CsvTable table, const std::string& name,
                      const std::vector<std::string>& classes,
                      const std::vector<std::string>& features = {});

/// What the arrays of a data set are to be.
struct ArrayOptions {
  /// Targets are classes, whole numbers from 0; else numbers to predict.
  bool labels = false;
  /// Labels lie below this; 0: as many classes as the largest label says.
  std::int32_t classes = 0;
  /// Rows with a NaN are left out; else they are errors.
  bool drop_missing = false;
};

/// Arrays as a data set: `input` of [count, ...], bytes of three axes or more being images ([count,
/// height, width] of one channel), anything else float32; `target`, unless null, [count] or [count,
/// outputs]. Throws Error where shapes do not go together, for an empty set, labels that are no
/// classes and classes without samples.
Dataset array_dataset(const std::string& name, const NpyArray& input, const NpyArray* target,
                      const ArrayOptions& options);

}  // namespace adjoint
