// Tables of text: columns as wide as their widest cell, numbers to the right.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace adjoint {

class Table {
 public:
  /// A heading that begins with '>' makes a column that is aligned to the right.
  explicit Table(std::vector<std::string> headings);
  void add(std::vector<std::string> cells);
  /// A line across, before the next row.
  void rule();
  /// The lines, each ended, each behind `indent` blanks.
  std::string text(int indent = 2) const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // a rule is a row without cells
};

/// 1234567 -> "1,234,567".
std::string grouped(std::int64_t value);

}  // namespace adjoint
