#include "core/samples/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/base/error.h"

namespace adjoint {

namespace {

// A part of a data set: its numbers [rows, columns].
void normalise_columns(const Dataset& dataset, const char* what, std::vector<float>& values,
                       std::vector<double>& remainders, std::int64_t columns,
                       const Normalisation& by) {
  if (columns == 0 || by.mean.empty()) return;
  ADJOINT_CHECK(by.mean.size() == 1 || std::ssize(by.mean) == columns, dataset.name, ": ", columns,
                " columns, but the model was trained on ", by.mean.size());
  Normalisation wide = by;
  if (by.mean.size() == 1) {  // one for all columns
    wide.mean.resize(std::size_t(columns), by.mean[0]);
    wide.deviation.resize(std::size_t(columns), by.deviation[0]);
  }
  try {
    normalise(values, wide, remainders);
  } catch (const Error& error) {
    ADJOINT_FAIL(dataset.name, ": ", what, ": ", error.message());
  }
  remainders = {};
}

}  // namespace

bool varies(double distance, double mean) {
  constexpr double kRounding = 4 * std::numeric_limits<double>::epsilon();
  return std::abs(distance) >= std::numeric_limits<float>::min() &&
         std::abs(distance) > kRounding * std::abs(mean);
}

Normalisation column_statistics(std::span<const float> values, std::int64_t columns,
                                std::span<const double> remainders,
                                std::vector<ConstantColumn>* constant) {
  ADJOINT_CHECK(columns > 0 && !values.empty() && std::ssize(values) % columns == 0,
                "column statistics: expected rows of ", columns, " numbers, got ", values.size());
  ADJOINT_CHECK(remainders.empty() || remainders.size() == values.size(),
                "column statistics: expected a remainder for each of ", values.size(),
                " numbers, got ", remainders.size());
  const auto width = static_cast<std::size_t>(columns);
  const std::size_t count = values.size() / width;
  const auto rows = static_cast<double>(count);
  const auto rest = [&](std::size_t i) { return remainders.empty() ? 0.0 : remainders[i]; };
  Normalisation found{.mean = std::vector<double>(width), .deviation = std::vector<double>(width)};
  // Sums of distances from the first row: small beside the values where these are all alike.
  for (std::size_t row = 0; row < values.size(); row += width)
    for (std::size_t j = 0; j < width; ++j)
      found.mean[j] += static_cast<double>(values[row + j]) - values[j] + (rest(row + j) - rest(j));
  for (std::size_t j = 0; j < width; ++j)
    found.mean[j] = values[j] + (rest(j) + found.mean[j] / rows);
  for (std::size_t row = 0; row < values.size(); row += width) {
    for (std::size_t j = 0; j < width; ++j) {
      const double distance = values[row + j] - found.mean[j] + rest(row + j);
      found.deviation[j] += distance * distance;
    }
  }
  for (std::size_t j = 0; j < width; ++j) {
    double& deviation = found.deviation[j];
    deviation = std::sqrt(deviation / rows);
    if (varies(deviation, found.mean[j])) continue;
    if (constant != nullptr) constant->push_back({static_cast<std::int64_t>(j), deviation});
    deviation = 1;
  }
  return found;
}

void normalise(std::span<float> values, const Normalisation& normalisation,
               std::span<const double> remainders) {
  const std::size_t columns = normalisation.mean.size();
  ADJOINT_CHECK(
      columns > 0 && normalisation.deviation.size() == columns && values.size() % columns == 0,
      "normalise: expected a mean and a deviation for each column, got ", columns, " and ",
      normalisation.deviation.size(), " for ", values.size(), " numbers");
  ADJOINT_CHECK(remainders.empty() || remainders.size() == values.size(),
                "normalise: expected a remainder for each of ", values.size(), " numbers, got ",
                remainders.size());
  for (const double deviation : normalisation.deviation)
    ADJOINT_CHECK(deviation > 0 && std::isfinite(deviation),
                  "normalise: expected positive deviations, got ", deviation);
  for (std::size_t row = 0; row < values.size(); row += columns) {
    for (std::size_t j = 0; j < columns; ++j) {
      const double rest = remainders.empty() ? 0.0 : remainders[row + j];
      const double centred = values[row + j] - normalisation.mean[j] + rest;
      const auto value = static_cast<float>(centred / normalisation.deviation[j]);
      ADJOINT_CHECK(std::isfinite(value), "row ", row / columns, ", column ", j, ": ",
                    values[row + j], " becomes ", value, " when it is normalised by the mean ",
                    normalisation.mean[j], " and the deviation ", normalisation.deviation[j],
                    " of the training part; is it right, and in the same unit?");
      values[row + j] = value;
    }
  }
}

void normalise(Dataset& dataset, const DataStatistics& statistics) {
  if (dataset.type == DType::float32)
    normalise_columns(dataset, "features", dataset.features, dataset.feature_remainders,
                      dataset.sample_size(), statistics.input);
  normalise_columns(dataset, "targets", dataset.targets, dataset.target_remainders, dataset.outputs,
                    statistics.target);
}

PixelStatistics pixel_scale(const DataStatistics& statistics) {
  if (statistics.input.mean.size() != 1) return {.mean = 0, .deviation = 1};
  return {.mean = statistics.input.mean[0], .deviation = statistics.input.deviation[0]};
}

std::vector<std::int64_t> class_counts(const Dataset& dataset) {
  ADJOINT_CHECK(dataset.classes > 0, dataset.name, ": its samples have no classes to count");
  std::vector<std::int64_t> counts(static_cast<std::size_t>(dataset.classes));
  for (const std::int32_t label : dataset.labels)
    if (label != dataset.ignored_label) ++counts.at(static_cast<std::size_t>(label));
  return counts;
}

void check_classes(const Dataset& dataset) {
  const std::vector<std::int64_t> counts = class_counts(dataset);
  for (std::int32_t c = 0; c < dataset.classes; ++c) {
    const bool named = std::ssize(dataset.class_names) == dataset.classes;
    ADJOINT_CHECK(counts[std::size_t(c)] > 0 || c == dataset.ignored_label, dataset.name,
                  ": class ", c, named ? str(" ('", dataset.class_names[std::size_t(c)], "')") : "",
                  " has no samples; every one of ", dataset.classes, " classes needs some");
  }
}

std::vector<float> balanced_class_weights(const Dataset& dataset) {
  check_classes(dataset);
  const std::vector<std::int64_t> counts = class_counts(dataset);
  double samples = 0, classes = 0;
  for (const std::int64_t count : counts) {
    samples += static_cast<double>(count);
    classes += count > 0 ? 1 : 0;
  }
  std::vector<float> weights;
  weights.reserve(counts.size());
  for (const std::int64_t count : counts)
    weights.push_back(count > 0 ? static_cast<float>(samples / classes / static_cast<double>(count))
                                : 1.0f);
  return weights;
}

std::vector<double> balanced_sample_weights(const Dataset& dataset) {
  check_classes(dataset);
  const std::vector<std::int64_t> counts = class_counts(dataset);
  std::vector<double> weights;
  weights.reserve(dataset.labels.size());
  for (const std::int32_t label : dataset.labels)
    weights.push_back(label == dataset.ignored_label
                          ? 0.0
                          : 1.0 / static_cast<double>(counts[static_cast<std::size_t>(label)]));
  return weights;
}

void resolve_class_weights(Options& loss, const Dataset& train) {
  const std::string key = "class_weights";
  const auto item = std::ranges::find(loss.items(), key, &Options::Item::key);
  if (item == loss.items().end()) return;
  const auto* text = std::get_if<std::string>(&item->value);
  if (text == nullptr) return;
  loss.require(*text == "balanced", key, "\"balanced\" or a list of numbers");
  const std::vector<float> weights =
      train.count > 0 ? balanced_class_weights(train)
                      : std::vector<float>(static_cast<std::size_t>(train.classes), 1.0f);
  loss.set(key, std::vector<double>(weights.begin(), weights.end()), item->where);
}

}  // namespace adjoint
