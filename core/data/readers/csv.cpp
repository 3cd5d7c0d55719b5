#include "core/data/readers/csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <deque>
#include <limits>
#include <locale>
#include <optional>
#include <sstream>
#include <unordered_map>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "core/samples/remainder.h"
#include "core/samples/table_notices.h"

namespace adjoint {
namespace {

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// Splits the text into rows of cells. Cells stay valid until the next row.
class CsvRows {
 public:
  CsvRows(std::string_view text, std::string_view name, char separator)
      : text_(text), name_(name), separator_(separator) {
    if (text_.starts_with("\xef\xbb\xbf")) text_.remove_prefix(3);
  }

  /// The next row that is not blank; false at the end.
  bool next() {
    while (at_ < text_.size()) {
      line_ = next_line_;
      if (const std::size_t end = behind_blanks(at_); end_of_line(end)) {
        at_ = end;
        step_over_line_end();
        continue;
      }
      cells_.clear();
      unquoted_.clear();
      while (read_cell()) {
      }
      return true;
    }
    return false;
  }

  const std::vector<std::string_view>& cells() const { return cells_; }
  /// The separators at the ends of lines are no columns.
  void drop_last_cell() { cells_.pop_back(); }
  /// Where the row begins, from 1.
  std::int64_t line() const { return line_; }

 private:
  bool end_of_line(std::size_t at) const {
    return at >= text_.size() || text_[at] == '\n' || text_[at] == '\r';
  }

  std::size_t behind_blanks(std::size_t at) const {
    while (at < text_.size() && (text_[at] == ' ' || text_[at] == '\t') && text_[at] != separator_)
      ++at;
    return at;
  }

  void step_over_line_end() {
    if (at_ + 1 < text_.size() && text_[at_] == '\r' && text_[at_ + 1] == '\n') ++at_;
    if (at_ < text_.size()) ++at_;
    ++next_line_;
  }

  /// Takes a cell and what ends it; true if another follows in the row.
  bool read_cell() {
    cells_.push_back(at_ < text_.size() && text_[at_] == '"' ? quoted_cell() : plain_cell());
    if (at_ < text_.size() && text_[at_] == separator_) {
      ++at_;
      return true;
    }
    ADJOINT_CHECK(end_of_line(at_), name_, ": line ", next_line_, ", column ", cells_.size(),
                  ": text behind a closing quote; expected a separator or the end of the line");
    step_over_line_end();
    return false;
  }

  std::string_view plain_cell() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] != separator_ && !end_of_line(at_)) ++at_;
    return text_.substr(begin, at_ - begin);
  }

  std::string_view quoted_cell() {
    const std::size_t begin = ++at_;
    std::size_t from = begin;
    std::string* joined = nullptr;
    while (true) {
      const std::size_t quote = text_.find('"', at_);
      ADJOINT_CHECK(quote != std::string_view::npos, name_, ": line ", line_, ", column ",
                    cells_.size() + 1, ": a quote that is never closed");
      next_line_ += line_ends(text_.substr(at_, quote - at_));
      at_ = quote + 1;
      const std::string_view piece = text_.substr(from, quote - from);
      if (at_ >= text_.size() || text_[at_] != '"') {
        if (joined == nullptr) return piece;
        return *joined += piece;
      }
      // A doubled quote is one quote of the text.
      if (joined == nullptr) joined = &unquoted_.emplace_back();
      *joined += piece;
      *joined += '"';
      from = ++at_;
    }
  }

  std::string_view text_;
  std::string_view name_;
  char separator_;
  std::size_t at_ = 0;
  std::int64_t line_ = 1, next_line_ = 1;
  std::vector<std::string_view> cells_;
  std::deque<std::string> unquoted_;  // a deque: cells look into its strings
};

/// What is done with each column.
struct Columns {
  enum class Role : std::uint8_t { feature, target, label, ignored };
  std::vector<std::string> names;
  std::vector<Role> roles;
  std::vector<std::size_t> targets;  // columns, in the order asked for
};

std::size_t find_column(const std::vector<std::string>& names, const std::string& wanted,
                        std::string_view file) {
  const auto named = std::ranges::find(names, wanted);
  if (named != names.end()) return static_cast<std::size_t>(named - names.begin());
  std::size_t number = 0;
  const char* const end = wanted.data() + wanted.size();
  const auto [rest, error] = std::from_chars(wanted.data(), end, number);
  if (error == std::errc() && rest == end) {
    ADJOINT_CHECK(number < names.size(), file, ": there is no column ", number, "; it has ",
                  names.size(), ", counted from 0");
    return number;
  }
  std::vector<std::string> known(std::min<std::size_t>(names.size(), 20));
  std::transform(names.begin(), names.begin() + std::ssize(known), known.begin(),
                 [](const std::string& name) { return printable(name); });
  ADJOINT_FAIL(file, ": there is no column '", wanted, "'", did_you_mean(wanted, known));
}

std::vector<std::string> column_names(const std::vector<std::string_view>& first, bool header,
                                      std::string_view file) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < first.size(); ++i)
    names.push_back(header ? std::string(trimmed(first[i])) : std::to_string(i));
  std::vector<std::string> sorted = names;
  std::ranges::sort(sorted);
  const auto twice = std::ranges::adjacent_find(sorted);
  ADJOINT_CHECK(twice == sorted.end(), file, ": two columns are named '", printable(*twice),
                "'; is the first line a header? without one, set header = false");
  return names;
}

Columns assign_columns(std::vector<std::string> names, const CsvOptions& options,
                       std::string_view file) {
  using Role = Columns::Role;
  Columns columns{.names = std::move(names)};
  columns.roles.assign(columns.names.size(), Role::feature);
  const auto assign = [&](const std::string& wanted, Role role) {
    const std::size_t column = find_column(columns.names, wanted, file);
    ADJOINT_CHECK(columns.roles[column] == Role::feature, file, ": column '", printable(wanted),
                  "' is named twice, as a target or as one to ignore");
    columns.roles[column] = role;
    return column;
  };
  if (!options.label.empty()) assign(options.label, Role::label);
  for (const std::string& target : options.targets)
    columns.targets.push_back(assign(target, Role::target));
  for (const std::string& ignored : options.ignored) assign(ignored, Role::ignored);
  ADJOINT_CHECK(std::ranges::find(columns.roles, Role::feature) != columns.roles.end(), file,
                ": no column is left to be a feature");
  return columns;
}

void check_utf8(std::string_view text, const std::string& where) {
  const std::size_t good = utf8_prefix(text);
  ADJOINT_CHECK(good == text.size(), where, ": byte ", good + 1, " of '", printable(text),
                "' is not UTF-8; save the file as UTF-8, or name its encoding, such as [data] "
                "encoding = \"cp1252\"");
}

/// 1 and 0 of the flags that pandas and spreadsheets write.
std::optional<float> truth(std::string_view text) {
  if (text == "True" || text == "TRUE" || text == "true") return 1.0f;
  if (text == "False" || text == "FALSE" || text == "false") return 0.0f;
  return std::nullopt;
}

/// Of what from_chars calls out of range: 0 where that is below all numbers, or infinite.
double out_of_range_value(std::string_view text) {
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  double value = 0;
  stream >> value;
  return stream ? value : std::numeric_limits<double>::infinity();
}

/// A word for a number that is not known.
bool is_missing(std::string_view cell) {
  constexpr std::array<std::string_view, 9> kMissing = {"",    "NA",   "N/A",  "NaN", "nan",
                                                        "NAN", "null", "NULL", "?"};
  return std::ranges::find(kMissing, cell) != kMissing.end();
}

/// The rows, one after the other, into a table.
class TableBuilder {
 public:
  /// `line` is the header's.
  TableBuilder(Columns columns, const CsvOptions& options, std::string_view file, std::int64_t line)
      : columns_(std::move(columns)),
        options_(options),
        file_(file),
        missing_(columns_.names.size()) {
    std::vector<std::string> names_of_numbers;
    for (std::size_t i = 0; i < columns_.names.size(); ++i) {
      const Role role = columns_.roles[i];
      if (role == Role::feature) {
        check_utf8(columns_.names[i], str(file_, ": line ", line, ", column ", i));
        table_.feature_names.push_back(columns_.names[i]);
      }
      if (role == Role::feature || role == Role::target)
        names_of_numbers.push_back(columns_.names[i]);
    }
    if (options.header) tell(header_notice(file_, names_of_numbers));
  }

  void add(const std::vector<std::string_view>& cells, std::int64_t line) {
    ADJOINT_CHECK(cells.size() == columns_.names.size(), file_, ": line ", line, " has ",
                  cells.size(), " cells, expected ", columns_.names.size(), " as in the first");
    line_ = line;
    if (misses_a_cell(cells)) {
      ++table_.dropped;
      return;
    }
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (columns_.roles[i] == Role::feature)
        append(cells[i], i, table_.features, table_.feature_remainders);
      else if (columns_.roles[i] == Role::label)
        add_label(trimmed(cells[i]), i);
    }
    for (const std::size_t i : columns_.targets)
      append(cells[i], i, table_.targets, table_.target_remainders);
    table_.lines.push_back(line);
    ++table_.rows;
  }

  CsvTable finish() {
    ADJOINT_CHECK(table_.rows > 0, file_, ": the table has no rows",
                  table_.dropped > 0 ? str(": all ", table_.dropped, " miss a cell") : "");
    std::vector<ColumnCount> causes;
    for (std::size_t i = 0; i < missing_.size(); ++i)
      if (missing_[i] > 0) causes.push_back({printable(columns_.names[i]), missing_[i]});
    tell(dropped_notice(file_, table_.dropped, table_.dropped + table_.rows, causes));
    if (columns_.roles[0] == Role::feature)
      tell(row_number_notice(file_, columns_.names[0], options_.header, table_.features,
                             table_.feature_remainders, table_.feature_names.size()));
    return std::move(table_);
  }

 private:
  using Role = Columns::Role;

  void tell(const std::optional<std::string>& notice) {
    if (notice) table_.notices.push_back(*notice);
  }

  std::string place(std::size_t column) const {
    const std::string& name = columns_.names[column];
    return str(file_, ": line ", line_, ", column ", column,
               options_.header ? str(" (", printable(name), ")") : "");
  }

  bool says_unknown(std::string_view label) const {
    return std::ranges::find(options_.unknown, label) != options_.unknown.end();
  }

  bool misses(std::string_view cell, Role role) const {
    if (role == Role::ignored) return false;
    if (role == Role::label) return cell.empty() && !options_.empty_label && !says_unknown(cell);
    return is_missing(cell);
  }

  bool misses_a_cell(const std::vector<std::string_view>& cells) {
    bool found = false;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (!misses(trimmed(cells[i]), columns_.roles[i])) continue;
      ADJOINT_CHECK(options_.drop_missing, place(i), ": the ",
                    columns_.roles[i] == Role::label ? "label" : "cell", " is missing ('",
                    printable(trimmed(cells[i])),
                    "'); fill it in, or train without such rows by missing = \"drop\"");
      ++missing_[i];
      found = true;
    }
    return found;
  }

  void append(std::string_view cell, std::size_t column, std::vector<float>& values,
              std::vector<double>& remainders) const {
    // A double holds all digits of any number of 15, but not of nanoseconds since 1970.
    constexpr std::size_t kDigitsOfDouble = 15;
    const std::string_view text = trimmed(cell);
    std::int64_t whole = 0;
    if (text.size() > kDigitsOfDouble) {
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), whole);
      if (error == std::errc() && end == text.data() + text.size())
        return append_number(whole, values, remainders);
    }
    append_number(number(cell, column), values, remainders);
  }

  double number(std::string_view cell, std::size_t column) const {
    std::string_view text = trimmed(cell);
    if (const auto flag = truth(text)) return *flag;
    // from_chars takes no plus sign; "+-1" must stay an error.
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    ADJOINT_CHECK(error != std::errc::invalid_argument && end == text.data() + text.size(),
                  place(column), ": expected a number, got '", printable(cell), "'",
                  !options_.header && table_.rows + table_.dropped == 0
                      ? "; if the first line names the columns, leave header = false out"
                      : "");
    if (error == std::errc::result_out_of_range) value = out_of_range_value(text);
    constexpr double kLargest = std::numeric_limits<float>::max();
    ADJOINT_CHECK(std::abs(value) <= kLargest, place(column), ": '", printable(cell),
                  "' is not a finite number of float32's range");
    return value;
  }

  void add_label(std::string_view text, std::size_t column) {
    const auto next = static_cast<std::int32_t>(table_.label_texts.size());
    const auto [found, added] = label_index_.try_emplace(std::string(text), next);
    if (added) {
      ADJOINT_CHECK(next < std::numeric_limits<std::int32_t>::max(), file_, ": too many labels");
      check_utf8(text, place(column));
      table_.label_texts.emplace_back(text);
      table_.label_lines.push_back(line_);
    }
    table_.labels.push_back(found->second);
  }

  Columns columns_;
  const CsvOptions& options_;
  std::string_view file_;
  std::int64_t line_ = 0;
  std::vector<std::int64_t> missing_;  // cells of each column that left a row out
  CsvTable table_;
  std::unordered_map<std::string, std::int32_t> label_index_;
};

/// A file as text, converted where it is not UTF-8.
class CsvText {
 public:
  CsvText(std::span<const std::byte> file, std::string_view name, const CsvOptions& options) {
    ADJOINT_CHECK(!is_gzip(file), name, ": it is packed with gzip; unpack it");
    text_ = {reinterpret_cast<const char*>(file.data()), file.size()};
    if (options.encoding != "utf-8") {
      converted_ = to_utf8(file, options.encoding, name);
      text_ = converted_;
    }
    ADJOINT_CHECK(!text_.starts_with("\xff\xfe") && !text_.starts_with("\xfe\xff"), name,
                  ": it begins with the byte order mark of UTF-16; set [data] encoding = "
                  "\"utf-16\", or save the file as UTF-8");
    ADJOINT_CHECK(text_.find('\0') == std::string_view::npos, name,
                  ": it holds zero bytes; expected CSV as text in UTF-8, or [data] encoding = "
                  "\"utf-16\"");
  }
  CsvText(const CsvText&) = delete;
  CsvText& operator=(const CsvText&) = delete;

  std::string_view view() const { return text_; }

 private:
  std::string converted_;
  std::string_view text_;
};

/// Whether every row is as long as the one where `rows` stand and, like it, ends with an empty
/// cell.
bool lines_end_with_separators(CsvRows rows) {
  const std::size_t size = rows.cells().size();
  do {
    if (size < 2 || rows.cells().size() != size || !trimmed(rows.cells().back()).empty())
      return false;
  } while (rows.next());
  return true;
}

/// At the first row.
CsvRows open_rows(std::string_view text, std::string_view name, const CsvOptions& options) {
  ADJOINT_CHECK(options.separator != '"' && options.separator != '\n' && options.separator != '\r',
                name, ": a quote or a line end cannot separate cells");
  CsvRows rows(text, name, options.separator);
  ADJOINT_CHECK(rows.next(), name, ": the file is empty; expected a table");
  return rows;
}

}  // namespace

std::vector<std::string> csv_columns(std::span<const std::byte> file, std::string_view name,
                                     const CsvOptions& options) {
  const CsvText text(file, name, options);
  CsvRows rows = open_rows(text.view(), name, options);
  if (lines_end_with_separators(rows)) rows.drop_last_cell();
  return column_names(rows.cells(), options.header, name);
}

CsvTable parse_csv(std::span<const std::byte> file, std::string_view name,
                   const CsvOptions& options) {
  const CsvText text(file, name, options);
  CsvRows rows = open_rows(text.view(), name, options);
  const bool ends = lines_end_with_separators(rows);
  const auto next = [&] {
    const bool found = rows.next();
    if (found && ends) rows.drop_last_cell();
    return found;
  };
  if (ends) rows.drop_last_cell();
  TableBuilder table(
      assign_columns(column_names(rows.cells(), options.header, name), options, name), options,
      name, rows.line());
  if (!options.header) table.add(rows.cells(), rows.line());
  while (next()) table.add(rows.cells(), rows.line());
  return table.finish();
}

CsvTable read_csv(const std::filesystem::path& path, const CsvOptions& options) {
  return parse_csv(read_file(path), path.string(), options);
}

}  // namespace adjoint
