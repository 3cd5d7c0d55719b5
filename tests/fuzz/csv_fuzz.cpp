// CSV: the first byte chooses the options, bit by bit, the rest is the file. What was read is
// written, and must read to the same; and it makes a data set.
#include "core/data/readers/csv.h"

#include <array>
#include <charconv>
#include <cmath>

#include "core/base/encoding.h"
#include "core/data/readers/tables.h"
#include "core/samples/dataset.h"
#include "fuzz/fuzz.h"

namespace adjoint::fuzz {
namespace {

CsvOptions options_of(unsigned bits) {
  CsvOptions options{.header = (bits & 1) != 0, .separator = (bits & 2) != 0 ? ';' : ','};
  if ((bits & 4) != 0) options.label = "0";
  if ((bits & 8) != 0) options.targets = {"1", "y"};
  options.drop_missing = (bits & 16) != 0;
  if ((bits & 32) != 0) options.ignored = {"2"};
  if ((bits & 64) != 0) options.encoding = (bits & 1) != 0 ? "cp1252" : "utf-16";
  if ((bits & 128) != 0) options.unknown = {"?"};
  return options;
}

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out += '"';
}

std::string number(float value) {
  std::array<char, 32> buffer;
  return {buffer.data(), std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr};
}

/// Features and labels as CSV, the labels in a column `label`.
std::string text_of(const CsvTable& table, const std::string& label) {
  std::string out = label;
  for (const std::string& name : table.feature_names) out += ',' + in_quotes(name);
  const std::size_t columns = table.feature_names.size();
  for (std::size_t row = 0; row < static_cast<std::size_t>(table.rows); ++row) {
    out += '\n';
    out += table.labels.empty() ? "-" : in_quotes(table.label_texts.at(table.labels[row]));
    for (std::size_t i = 0; i < columns; ++i)
      out += ',' + number(table.features.at(row * columns + i));
  }
  return out;
}

void check_sizes(const CsvTable& table, const CsvOptions& options) {
  const auto rows = static_cast<std::size_t>(table.rows);
  demand(rows > 0, "a table without rows");
  demand(table.features.size() == rows * table.feature_names.size(), "features");
  demand(table.targets.size() == rows * options.targets.size(), "targets");
  for (const auto& [remainders, values] : {std::pair(&table.feature_remainders, &table.features),
                                           std::pair(&table.target_remainders, &table.targets)})
    demand(remainders->empty() || remainders->size() == values->size(), "remainders");
  for (const std::string& notice : table.notices) demand(!notice.empty(), "a notice");
  demand(table.labels.size() == (options.label.empty() ? 0 : rows), "labels");
  demand(table.label_texts.size() == table.label_lines.size(), "lines of labels");
  for (const auto* names : {&table.feature_names, &table.label_texts})
    for (const std::string& name : *names) demand(is_utf8(name), "a name that is not UTF-8");
  for (const float value : table.features) demand(std::isfinite(value), "a feature");
  for (const float value : table.targets) demand(std::isfinite(value), "a target");
}

void check_round_trip(const CsvTable& table, const CsvOptions& options, std::size_t longest_name) {
  const std::string label(longest_name + 1, 'l');
  const std::string text = text_of(table, label);
  const CsvTable again =
      parse_csv(as_bytes(text), "written", {.label = label, .unknown = options.unknown});
  demand(again.feature_names == table.feature_names, "names read back");
  demand(again.features == table.features, "features read back");
  if (!table.labels.empty()) {
    demand(again.label_texts == table.label_texts && again.labels == table.labels,
           "labels read back");
  }
}

}  // namespace

void fuzz_csv(Input input) {
  if (input.empty()) return;
  const CsvOptions options = options_of(std::to_integer<unsigned>(input[0]));
  const auto table = accepted([&] { return parse_csv(input.subspan(1), kName, options); });
  if (!table) return;
  check_sizes(*table, options);
  check_round_trip(*table, options, 4 * input.size());
  accepted([&] {
    const UnknownLabels unknown{.texts = options.unknown, .number = -1};
    const auto classes =
        table->labels.empty() ? std::vector<std::string>() : label_classes(*table, kName, unknown);
    return table_dataset(*table, kName, classes, {}, unknown);
  });
}

}  // namespace adjoint::fuzz
