#include "core/samples/table_notices.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/base/text.h"

namespace adjoint {
namespace {

using Notice = std::optional<std::string>;

/// Names come from files and may hold anything; a notice is one line, harmless to a terminal.
Notice line(const std::string& text) { return printable(text, text.size()); }

/// "a, b, c and 4 more".
std::string few(const std::vector<std::string>& texts) {
  constexpr std::size_t kShown = 5;
  const auto first = std::span(texts).first(std::min(texts.size(), kShown));
  const std::string more =
      texts.size() > kShown ? str(" and ", texts.size() - kShown, " more") : std::string();
  return join(first, ", ") + more;
}

std::optional<double> number_in(std::string_view text) {
  double value = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc::invalid_argument || rest != end || text.empty()) return std::nullopt;
  return value;
}

bool counts_up(const std::vector<double>& numbers) {
  const auto jumps = [](double a, double b) { return b != a + 1; };
  return std::ranges::adjacent_find(numbers, jumps) == numbers.end();
}

/// Features or targets of a data set.
struct Part {
  const Dataset& data;
  bool targets = false;

  const std::vector<float>& values() const { return targets ? data.targets : data.features; }
  const std::vector<double>& remainders() const {
    return targets ? data.target_remainders : data.feature_remainders;
  }
  std::int64_t columns() const { return targets ? data.outputs : data.sample_size(); }
  double remainder(std::size_t i) const { return remainders().empty() ? 0.0 : remainders()[i]; }
  std::string name(std::int64_t column) const {
    if (targets) return str("target ", column);
    if (std::ssize(data.feature_names) == columns())
      return str("'", data.feature_names[static_cast<std::size_t>(column)], "'");
    return str("column ", column);
  }
};

}  // namespace

Notice dropped_notice(std::string_view file, std::int64_t dropped, std::int64_t rows,
                      std::span<const ColumnCount> causes) {
  if (dropped == 0) return std::nullopt;
  std::vector<std::string> texts;
  for (const ColumnCount& cause : causes) texts.push_back(str("'", cause.name, "' ", cause.count));
  return line(str(file, ": ", dropped, " of ", rows,
                  " rows are left out; cells are missing in: ", few(texts)));
}

Notice header_notice(std::string_view file, std::span<const std::string> names) {
  std::vector<double> numbers;
  for (const std::string& name : names)
    if (const auto value = number_in(name)) numbers.push_back(*value);
  if (names.empty() || numbers.size() < names.size()) return std::nullopt;
  const bool counted = numbers.size() > 1 ? counts_up(numbers) : numbers[0] == 0;
  if (counted) return std::nullopt;
  return line(str(file, ": the first line, which names the columns, holds numbers (",
                  few({names.begin(), names.end()}),
                  "); if it is a sample, set [data] header = false"));
}

Notice row_number_notice(std::string_view file, std::string_view name, bool header,
                         std::span<const float> features, std::span<const double> remainders,
                         std::size_t columns) {
  constexpr std::array<std::string_view, 7> kNames = {"",   "Unnamed: 0", "index", "Index",
                                                      "id", "Id",         "ID"};
  if (header && std::ranges::find(kNames, name) == kNames.end()) return std::nullopt;
  std::vector<double> values;
  for (std::size_t i = 0; i < features.size(); i += columns) {
    const double value = features[i] + (remainders.empty() ? 0.0 : remainders[i]);
    if (value < 0 || value != std::floor(value)) return std::nullopt;
    values.push_back(value);
  }
  // Where columns have no names at all, only a column that counts is suspect.
  const bool counts = counts_up(values) && values[0] <= 1;
  std::ranges::sort(values);
  if (values.size() < 3 || std::ranges::adjacent_find(values) != values.end() ||
      (!header && !counts))
    return std::nullopt;
  const bool nameless = !header || name.empty() || name == "Unnamed: 0";
  return line(
      str(file, ": the first column, ", nameless ? "without a name" : str("'", name, "'"),
          ", numbers the rows and is taken as a feature; if it is only their index, it may "
          "give the answer away where rows are sorted: leave it out with [data] ignore = [0]"));
}

Notice constant_notice(const Dataset& train, const Dataset& test, bool targets,
                       const Normalisation& by, std::span<const ConstantColumn> constant) {
  if (constant.empty()) return std::nullopt;
  const Part learned{train, targets}, tested{test, targets};
  std::vector<std::string> texts;
  for (const auto& [column, deviation] : constant) {
    const double mean = by.mean[static_cast<std::size_t>(column)];
    std::int64_t others = 0;
    for (std::int64_t i = 0; i < test.count; ++i) {
      const auto at = static_cast<std::size_t>(i * tested.columns() + column);
      if (varies(tested.values()[at] - mean + tested.remainder(at), mean)) ++others;
    }
    texts.push_back(str(learned.name(column), " (", mean,
                        deviation > 0 ? str(", deviation ", deviation) : "",
                        others > 0 ? str(", not so in ", others, " test samples") : "", ")"));
  }
  return line(str(train.name,
                  ": taken as constant, for the training part hardly varies there: ", few(texts),
                  targets ? "; nothing can be learned of that" : "; nothing is learned from that"));
}

Notice lost_digits_notice(const Dataset& train, bool targets) {
  const Part part{train, targets};
  if (part.remainders().empty()) return std::nullopt;
  std::vector<ConstantColumn> constant;
  const Normalisation found =
      column_statistics(part.values(), part.columns(), part.remainders(), &constant);
  std::vector<double> largest(found.mean.size());
  for (std::size_t i = 0; i < part.remainders().size(); ++i) {
    double& most = largest[i % largest.size()];
    most = std::max(most, std::abs(part.remainders()[i]));
  }
  std::vector<std::string> texts;
  for (std::size_t j = 0; j < largest.size(); ++j) {
    constexpr double kNoticeable = 1e-3;
    const auto column = static_cast<std::int64_t>(j);
    if (largest[j] <= kNoticeable * found.deviation[j] ||
        std::ranges::find(constant, column, &ConstantColumn::column) != constant.end())
      continue;
    texts.push_back(
        str(part.name(column), " (mean ", found.mean[j], ", deviation ", found.deviation[j], ")"));
  }
  if (texts.empty()) return std::nullopt;
  return line(str(train.name, ": float32 does not hold the digits by which these numbers differ: ",
                  few(texts), "; set [data] ", targets ? "normalise_target" : "normalise",
                  " = true, or take an offset off"));
}

Notice rare_classes_notice(const Dataset& train, const Dataset& test) {
  if (train.classes == 0) return std::nullopt;
  const std::vector<std::int64_t> trained = class_counts(train), tested = class_counts(test);
  std::vector<std::string> texts;
  for (std::size_t c = 0; c < tested.size(); ++c) {
    if (tested[c] > 0 || trained[c] == 0) continue;
    const std::string name =
        train.class_names.empty() ? str("class ", c) : str("'", train.class_names[c], "'");
    texts.push_back(str(name, " (", trained[c], ")"));
  }
  if (texts.empty()) return std::nullopt;
  return line(str(test.name, ": no sample of ", few(texts),
                  "; of so few samples all are trained on, and none is tested"));
}

}  // namespace adjoint
