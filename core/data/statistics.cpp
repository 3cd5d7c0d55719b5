#include "core/data/statistics.h"

#include <cmath>

#include "core/base/error.h"

namespace adjoint {

Normalisation column_statistics(std::span<const float> values, std::int64_t columns) {
  ADJOINT_CHECK(columns > 0 && !values.empty() && std::ssize(values) % columns == 0,
                "column statistics: expected rows of ", columns, " numbers, got ", values.size());
  const auto width = static_cast<std::size_t>(columns);
  const std::size_t count = values.size() / width;
  const auto rows = static_cast<double>(count);
  Normalisation found{.mean = std::vector<double>(width), .deviation = std::vector<double>(width)};
  // Sums of distances from the first row: small beside the values where these are all alike.
  for (std::size_t row = 0; row < values.size(); row += width)
    for (std::size_t j = 0; j < width; ++j)
      found.mean[j] += static_cast<double>(values[row + j]) - values[j];
  for (std::size_t j = 0; j < width; ++j) found.mean[j] = values[j] + found.mean[j] / rows;
  for (std::size_t row = 0; row < values.size(); row += width) {
    for (std::size_t j = 0; j < width; ++j) {
      const double distance = values[row + j] - found.mean[j];
      found.deviation[j] += distance * distance;
    }
  }
  for (double& deviation : found.deviation) {
    deviation = std::sqrt(deviation / rows);
    if (!(deviation > 0)) deviation = 1;
  }
  return found;
}

void normalise(std::span<float> values, const Normalisation& normalisation) {
  const std::size_t columns = normalisation.mean.size();
  ADJOINT_CHECK(
      columns > 0 && normalisation.deviation.size() == columns && values.size() % columns == 0,
      "normalise: expected a mean and a deviation for each column, got ", columns, " and ",
      normalisation.deviation.size(), " for ", values.size(), " numbers");
  for (const double deviation : normalisation.deviation)
    ADJOINT_CHECK(deviation > 0 && std::isfinite(deviation),
                  "normalise: expected positive deviations, got ", deviation);
  for (std::size_t row = 0; row < values.size(); row += columns) {
    for (std::size_t j = 0; j < columns; ++j) {
      const double centred = values[row + j] - normalisation.mean[j];
      values[row + j] = static_cast<float>(centred / normalisation.deviation[j]);
    }
  }
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

}  // namespace adjoint
