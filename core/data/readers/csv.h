// Tables in CSV (RFC 4180): cells between separators, in quotes where they hold separators, quotes
// (doubled) or line ends; lines end with \n, \r\n or \r. Columns of numbers become float32, with
// what that leaves of them beside it (core/samples/remainder.h), a column of labels keeps its
// texts. Nothing is guessed: a cell that is no finite number is an error that names line and
// column, and so is a name that is not UTF-8. What looks like a mistake but need not be one is read
// as it stands, and told.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/files.h"

namespace adjoint {

struct CsvOptions {
  /// Whether the first line names the columns; without, they are named by their numbers from 0.
  bool header = true;
  char separator = ',';
  /// What the bytes are (core/base/encoding.h).
  std::string encoding = "utf-8";
  /// The column of class labels, by name or number; empty: none.
  std::string label = {};
  /// Labels that say that the class is not known: no missing cells, even where they look like it.
  std::vector<std::string> unknown = {};
  /// Columns of numbers to predict, by name or number.
  std::vector<std::string> targets = {};
  /// Columns that are not read. All others are features.
  std::vector<std::string> ignored = {};
  /// Rows with a missing cell are left out; else they are errors. Missing are an empty label and,
  /// in columns of numbers, an empty cell, NA, N/A, NaN, null or ?: as labels these are classes
  /// like any other, for NA may be Namibia.
  bool drop_missing = false;
  /// An empty label is a class like any other, too.
  bool empty_label = false;
};

struct CsvTable {
  std::int64_t rows = 0;
  /// Rows that were left out.
  std::int64_t dropped = 0;
  /// [rows], where each begins, from 1.
  std::vector<std::int64_t> lines = {};
  std::vector<std::string> feature_names = {};
  /// [rows, feature_names], and what float32 leaves of them (core/samples/remainder.h).
  std::vector<float> features = {};
  std::vector<double> feature_remainders = {};
  /// [rows, targets of the options], likewise.
  std::vector<float> targets = {};
  std::vector<double> target_remainders = {};
  /// The different texts of the label column in the order they come, and the first line of each.
  std::vector<std::string> label_texts = {};
  std::vector<std::int64_t> label_lines = {};
  /// [rows], indices into label_texts; empty without a label column.
  std::vector<std::int32_t> labels = {};
  /// For people, a line each: rows that were left out and for which columns; a first line that
  /// looks like a sample; a first column that numbers the rows.
  std::vector<std::string> notices = {};
};

/// The names of a table's columns (see CsvOptions::header), and nothing more of it. Throws like
/// parse_csv.
std::vector<std::string> csv_columns(std::span<const std::byte> file, std::string_view name,
                                     const CsvOptions& options = {});

/// Reads the whole file. Throws Error, naming file, line and column, for: no rows; rows of other
/// lengths than the first; columns asked for that are not there; two columns of one name; cells
/// that are no finite float32 number (true and false are 1 and 0, what is too small for a float is
/// 0); missing cells (see CsvOptions); a quote that is not closed or has text behind it; zero
/// bytes; features or labels whose names are not UTF-8; bytes that are no text of another encoding.
/// A byte order mark and blank lines are passed over, and so is a last column without a name in
/// which every cell is empty: its separators end the lines.
CsvTable read_csv(const std::filesystem::path& path, const CsvOptions& options = {});

/// The same from memory; `name` stands in error messages.
CsvTable parse_csv(std::span<const std::byte> file, std::string_view name,
                   const CsvOptions& options = {});

}  // namespace adjoint
