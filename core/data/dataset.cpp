#include "core/data/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/data/random.h"

namespace adjoint {
namespace {

template <class T>
void copy_row(const std::vector<T>& from, std::int64_t index, std::int64_t width,
              std::vector<T>& to) {
  const auto row = from.begin() + index * width;
  to.insert(to.end(), row, row + width);
}

void copy_sample(const Dataset& from, std::int64_t index, Dataset& to) {
  if (from.type == DType::uint8)
    copy_row(from.images, index, from.sample_size(), to.images);
  else
    copy_row(from.features, index, from.sample_size(), to.features);
  if (from.classes > 0) copy_row(from.labels, index, 1, to.labels);
  if (from.outputs > 0) copy_row(from.targets, index, from.outputs, to.targets);
  ++to.count;
}

Dataset empty_like(const Dataset& dataset, const std::string& name, std::int64_t capacity) {
  Dataset out{.name = name,
              .type = dataset.type,
              .sample = dataset.sample,
              .feature_names = dataset.feature_names,
              .classes = dataset.classes,
              .ignored_label = dataset.ignored_label,
              .class_names = dataset.class_names,
              .outputs = dataset.outputs};
  const auto numbers = static_cast<std::size_t>(capacity * dataset.sample_size());
  if (dataset.type == DType::uint8)
    out.images.reserve(numbers);
  else
    out.features.reserve(numbers);
  if (dataset.classes > 0) out.labels.reserve(static_cast<std::size_t>(capacity));
  out.targets.reserve(static_cast<std::size_t>(capacity * dataset.outputs));
  return out;
}

// The first `aside` places of a Fisher-Yates shuffle of `samples`.
void choose(std::vector<std::int64_t>& samples, std::int64_t aside, SampleRandom& random) {
  const std::int64_t count = std::ssize(samples);
  for (std::int64_t i = 0; i < aside; ++i) {
    std::swap(samples[i], samples[i + static_cast<std::int64_t>(random.below(count - i))]);
  }
}

std::vector<bool> choose_from_all(const Dataset& dataset, std::int64_t aside, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset.count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  SampleRandom random(seed, 0);
  choose(order, aside, random);
  std::vector<bool> chosen(order.size());
  for (std::int64_t i = 0; i < aside; ++i) chosen[order[i]] = true;
  return chosen;
}

// Each class gives the whole part of its share; the classes that lose most by it, the first of
// equals, give one more, until there are `aside`.
std::vector<bool> choose_by_class(const Dataset& dataset, std::int64_t aside, std::uint64_t seed) {
  // Those of no class are the last.
  const auto classes = static_cast<std::size_t>(dataset.classes) + 1;
  std::vector<std::vector<std::int64_t>> samples(classes);
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    const std::int32_t label = dataset.labels[i];
    const bool known = label >= 0 && label < dataset.classes;
    samples[known ? static_cast<std::size_t>(label) : classes - 1].push_back(i);
  }
  std::vector<std::int64_t> share(classes), lost(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    __int128 part = static_cast<__int128>(samples[c].size()) * aside;
    share[c] = static_cast<std::int64_t>(part / dataset.count);
    lost[c] = static_cast<std::int64_t>(part % dataset.count);
  }
  std::vector<std::size_t> by_loss(classes);
  std::iota(by_loss.begin(), by_loss.end(), std::size_t{0});
  std::ranges::stable_sort(by_loss, std::ranges::greater{}, [&](std::size_t c) { return lost[c]; });
  const std::int64_t whole = std::accumulate(share.begin(), share.end(), std::int64_t{0});
  for (std::int64_t i = 0; i < aside - whole; ++i) ++share[by_loss[i]];
  std::vector<bool> chosen(static_cast<std::size_t>(dataset.count));
  for (std::size_t c = 0; c < classes; ++c) {
    SampleRandom random(seed, 1 + c);
    choose(samples[c], share[c], random);
    for (std::int64_t i = 0; i < share[c]; ++i) chosen[samples[c][i]] = true;
  }
  return chosen;
}

void check_numbers(const Dataset& dataset, const std::vector<float>& values, std::int64_t width,
                   const char* what) {
  const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  const std::int64_t at = bad - values.begin(), column = at % width;
  const bool named = &values == &dataset.features && std::ssize(dataset.feature_names) == width;
  ADJOINT_FAIL(dataset.name, ": sample ", at / width, ", ", what, " ", column,
               named ? str(" (", dataset.feature_names[column], ")") : "", " is ", *bad,
               "; expected a finite number");
}

void check_names(const Dataset& dataset) {
  for (const auto* names : {&dataset.feature_names, &dataset.class_names})
    for (const std::string& name : *names)
      ADJOINT_CHECK(is_utf8(name), dataset.name, ": the ",
                    names == &dataset.class_names ? "class" : "feature", " '", printable(name),
                    "' has a name that is not UTF-8; expected text that a model file can hold");
}

void check_sizes(const Dataset& dataset) {
  const bool image = dataset.type == DType::uint8;
  ADJOINT_CHECK(dataset.sample.rank() > 0 && dataset.sample_size() > 0, dataset.name,
                ": samples of shape ", dataset.sample,
                image ? " have no pixels" : " have no features");
  ADJOINT_CHECK(dataset.classes == 0 || dataset.outputs == 0, dataset.name,
                ": both classes and numbers to predict; expected one of the two");
  ADJOINT_CHECK(std::ssize(dataset.labels) == (dataset.classes > 0 ? dataset.count : 0),
                dataset.name, ": ", dataset.count, image ? " images" : " rows", " but ",
                dataset.labels.size(), " labels");
  const std::int64_t numbers = dataset.count * dataset.sample_size();
  ADJOINT_CHECK(std::ssize(dataset.images) == (image ? numbers : 0), dataset.name, ": ",
                dataset.images.size(), " bytes of pixels, expected ", image ? numbers : 0);
  ADJOINT_CHECK(std::ssize(dataset.features) == (image ? 0 : numbers), dataset.name, ": ",
                dataset.features.size(), " features, expected ", image ? 0 : numbers);
  ADJOINT_CHECK(std::ssize(dataset.targets) == dataset.count * dataset.outputs, dataset.name, ": ",
                dataset.targets.size(), " numbers to predict, expected ",
                dataset.count * dataset.outputs);
}

}  // namespace

std::span<const std::uint8_t> Dataset::image(std::int64_t index) const {
  ADJOINT_CHECK(index >= 0 && index < count && type == DType::uint8, name, ": sample ", index,
                " of ", count, " does not exist");
  return std::span(images).subspan(static_cast<std::size_t>(index * sample_size()),
                                   static_cast<std::size_t>(sample_size()));
}

std::span<const float> Dataset::row(std::int64_t index) const {
  ADJOINT_CHECK(index >= 0 && index < count && type == DType::float32, name, ": sample ", index,
                " of ", count, " does not exist");
  return std::span(features).subspan(static_cast<std::size_t>(index * sample_size()),
                                     static_cast<std::size_t>(sample_size()));
}

DatasetRows input_rows(const Dataset& dataset) {
  const auto size = static_cast<std::size_t>(dataset.sample_size());
  if (dataset.type == DType::uint8)
    return {reinterpret_cast<const std::byte*>(dataset.images.data()), size};
  return {reinterpret_cast<const std::byte*>(dataset.features.data()), size * sizeof(float)};
}

DatasetRows target_rows(const Dataset& dataset) {
  if (dataset.classes > 0)
    return {reinterpret_cast<const std::byte*>(dataset.labels.data()), sizeof(std::int32_t)};
  if (dataset.outputs > 0)
    return {reinterpret_cast<const std::byte*>(dataset.targets.data()),
            static_cast<std::size_t>(dataset.outputs) * sizeof(float)};
  return {};
}

void check_dataset(const Dataset& dataset) {
  ADJOINT_CHECK(dataset.count > 0, dataset.name, ": the data set is empty; expected a sample");
  ADJOINT_CHECK(dataset.type == DType::uint8 || dataset.type == DType::float32, dataset.name,
                ": expected uint8 or float32, got ", name(dataset.type));
  check_sizes(dataset);
  check_names(dataset);
  for (std::int64_t i = 0; i < std::ssize(dataset.labels); ++i) {
    const std::int32_t label = dataset.labels[static_cast<std::size_t>(i)];
    ADJOINT_CHECK((label >= 0 && label < dataset.classes) || label == dataset.ignored_label,
                  dataset.name, ": sample ", i, " has label ", label, "; expected 0 to ",
                  dataset.classes - 1, ", or ", dataset.ignored_label,
                  ", the ignored_label of the loss");
  }
  check_numbers(dataset, dataset.targets, dataset.outputs, "target");
  check_numbers(dataset, dataset.features, dataset.sample_size(), "feature");
}

Dataset select(const Dataset& dataset, std::span<const std::int64_t> indices) {
  Dataset out = empty_like(dataset, dataset.name, std::ssize(indices));
  for (std::int64_t index : indices) {
    ADJOINT_CHECK(index >= 0 && index < dataset.count, dataset.name, ": sample ", index, " of ",
                  dataset.count, " does not exist");
    copy_sample(dataset, index, out);
  }
  return out;
}

Split split_validation(const Dataset& dataset, double fraction, std::uint64_t seed,
                       const SplitOptions& options) {
  ADJOINT_CHECK(fraction >= 0 && fraction < 1, options.name,
                " fraction: expected 0 <= fraction < 1, got ", fraction);
  const auto aside =
      static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(dataset.count)));
  ADJOINT_CHECK(aside < dataset.count, dataset.name, ": a ", options.name, " fraction of ",
                fraction, " leaves none of ", dataset.count, " samples to train on");
  const bool by_class = options.stratified && dataset.classes > 0;
  const std::vector<bool> chosen =
      by_class ? choose_by_class(dataset, aside, seed) : choose_from_all(dataset, aside, seed);
  Split split{empty_like(dataset, dataset.name, dataset.count - aside),
              empty_like(dataset, str(dataset.name, " (", options.name, ")"), aside)};
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    copy_sample(dataset, i, chosen[i] ? split.validation : split.train);
  }
  return split;
}

PixelStatistics pixel_statistics(const Dataset& dataset) {
  std::array<std::uint64_t, 256> histogram{};
  for (std::uint8_t pixel : dataset.images) ++histogram[pixel];
  std::uint64_t count = 0, sum = 0, squares = 0;
  for (std::uint64_t value = 0; value < histogram.size(); ++value) {
    count += histogram[value];
    sum += histogram[value] * value;
    squares += histogram[value] * value * value;
  }
  ADJOINT_CHECK(count > 0, dataset.name, ": no pixels to take the mean of");
  const double mean = static_cast<double>(sum) / static_cast<double>(count);
  const double variance = static_cast<double>(squares) / static_cast<double>(count) - mean * mean;
  return {.mean = mean / 255, .deviation = std::sqrt(std::max(variance, 0.0)) / 255};
}

}  // namespace adjoint
