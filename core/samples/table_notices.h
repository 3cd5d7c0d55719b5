// What is told of tables that can be read but may not be what was meant: rows left out, a first
// line or column that looks like something else, columns that cannot teach anything. One line each,
// for people; nothing when there is nothing to tell.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/samples/dataset.h"
#include "core/samples/statistics.h"

namespace adjoint {

/// A column and how many of its cells it is about.
struct ColumnCount {
  std::string name;
  std::int64_t count = 0;
};

/// Of `rows` rows `dropped` were left out, for cells missing in the columns of `causes`.
std::optional<std::string> dropped_notice(std::string_view file, std::int64_t dropped,
                                          std::int64_t rows, std::span<const ColumnCount> causes);

/// The first line, taken as a header, names every column of numbers by a number, and not by those
/// that count columns or years up: it may be a sample.
std::optional<std::string> header_notice(std::string_view file, std::span<const std::string> names);

/// The first column, of [rows, columns] features, is one that programs write before others, without
/// a name ("" or "Unnamed: 0"; any without a header), or calls itself an id, and gives every row
/// another whole number. Where rows are sorted by class or date, it tells what is to be predicted.
std::optional<std::string> row_number_notice(std::string_view file, std::string_view name,
                                             bool header, std::span<const float> features,
                                             std::span<const double> remainders,
                                             std::size_t columns);

/// Columns, of features or targets, that count as constant in the training part
/// (column_statistics), and whether they are elsewhere. Before these are normalised.
std::optional<std::string> constant_notice(const Dataset& train, const Dataset& test, bool targets,
                                           const Normalisation& by,
                                           std::span<const ConstantColumn> constant);

/// Columns whose digits are lost when they become float32 as they are, without being normalised:
/// features, or targets.
std::optional<std::string> lost_digits_notice(const Dataset& train, bool targets);

/// Classes that have no sample in the part that was set aside for tests.
std::optional<std::string> rare_classes_notice(const Dataset& train, const Dataset& test);

}  // namespace adjoint
