#include "core/samples/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <tuple>

#include "core/base/encoding.h"
#include "core/base/error.h"
#include "core/samples/random.h"

namespace adjoint {
namespace {

// A row of an array that may be empty, as arrays of remainders are.
template <class T>
void copy_row(const std::vector<T>& from, std::int64_t index, std::int64_t width,
              std::vector<T>& to) {
  if (from.empty()) return;
  const auto row = from.begin() + index * width;
  to.insert(to.end(), row, row + width);
}

void copy_sample(const Dataset& from, std::int64_t index, Dataset& to) {
  if (from.type == DType::uint8)
    copy_row(from.images, index, from.sample_size(), to.images);
  else
    copy_row(from.features, index, from.sample_size(), to.features);
  copy_row(from.feature_remainders, index, from.sample_size(), to.feature_remainders);
  if (from.classes > 0) copy_row(from.labels, index, 1, to.labels);
  copy_row(from.targets, index, from.outputs, to.targets);
  copy_row(from.target_remainders, index, from.outputs, to.target_remainders);
  for (std::size_t i = 0; i < from.arrays.size(); ++i) {
    const DataArray& array = from.arrays[i];
    if (array.per_sample)
      copy_row(array.values, index, static_cast<std::int64_t>(array.row_bytes()),
               to.arrays[i].values);
  }
  ++to.count;
}

Dataset empty_like(const Dataset& dataset, const std::string& name, std::int64_t capacity) {
  Dataset out = outline_of(dataset);
  out.name = name;
  for (std::size_t i = 0; i < dataset.arrays.size(); ++i)
    if (!dataset.arrays[i].per_sample) out.arrays[i].values = dataset.arrays[i].values;
  const auto numbers = static_cast<std::size_t>(capacity * dataset.sample_size());
  if (dataset.type == DType::uint8)
    out.images.reserve(numbers);
  else
    out.features.reserve(numbers);
  if (dataset.classes > 0) out.labels.reserve(static_cast<std::size_t>(capacity));
  out.targets.reserve(static_cast<std::size_t>(capacity * dataset.outputs));
  return out;
}

// The class of a sample; of all that have none, one group more.
std::size_t group_of(const Dataset& dataset, std::int64_t index) {
  const std::int32_t label = dataset.classes > 0 ? dataset.labels[index] : -1;
  return static_cast<std::size_t>(label >= 0 && label < dataset.classes ? label : dataset.classes);
}

std::vector<std::vector<std::int64_t>> samples_of_groups(const Dataset& dataset) {
  std::vector<std::vector<std::int64_t>> samples(static_cast<std::size_t>(dataset.classes) + 1);
  for (std::int64_t i = 0; i < dataset.count; ++i) samples[group_of(dataset, i)].push_back(i);
  return samples;
}

// The first places of a Fisher-Yates shuffle of all samples, but for those that are the last of
// their class.
std::vector<bool> choose_from_all(const Dataset& dataset, std::int64_t aside, std::uint64_t seed) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset.count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::vector<std::int64_t> left;
  for (const auto& samples : samples_of_groups(dataset)) left.push_back(std::ssize(samples));
  std::vector<bool> chosen(order.size());
  SampleRandom random(seed, 0);
  for (std::int64_t i = 0; i < dataset.count && aside > 0; ++i) {
    const auto rest = static_cast<std::uint64_t>(dataset.count - i);
    std::swap(order[i], order[i + static_cast<std::int64_t>(random.below(rest))]);
    std::int64_t& of_its_class = left[group_of(dataset, order[i])];
    if (of_its_class == 1) continue;
    chosen[order[i]] = true;
    --of_its_class;
    --aside;
  }
  return chosen;
}

// How many samples each class gives: the whole part of its share, and one more of the classes that
// lose most by that, until there are `aside` or every class is down to one sample. Of equal losses
// the seed decides, for else the first of the alphabet would always pay.
std::vector<std::int64_t> shares_of_groups(const std::vector<std::vector<std::int64_t>>& samples,
                                           std::int64_t count, std::int64_t aside,
                                           std::uint64_t seed) {
  const std::size_t classes = samples.size();
  std::vector<std::int64_t> share(classes), lost(classes);
  std::vector<double> tie(classes);
  for (std::size_t c = 0; c < classes; ++c) {
    const __int128 part = static_cast<__int128>(samples[c].size()) * aside;
    lost[c] = static_cast<std::int64_t>(part % count);
    share[c] = std::min(static_cast<std::int64_t>(part / count),
                        std::max<std::int64_t>(std::ssize(samples[c]) - 1, 0));
    tie[c] = SampleRandom(seed, 1 + classes + c).uniform();
  }
  std::vector<std::size_t> by_loss(classes);
  std::iota(by_loss.begin(), by_loss.end(), std::size_t{0});
  std::ranges::sort(by_loss, std::ranges::greater{},
                    [&](std::size_t c) { return std::tuple(lost[c], tie[c], c); });
  std::int64_t more = aside - std::accumulate(share.begin(), share.end(), std::int64_t{0});
  for (bool found = true; more > 0 && found;) {
    found = false;
    for (const std::size_t c : by_loss) {
      if (more == 0 || share[c] + 1 >= std::ssize(samples[c])) continue;
      ++share[c];
      --more;
      found = true;
    }
  }
  return share;
}

std::vector<bool> choose_by_class(const Dataset& dataset, std::int64_t aside, std::uint64_t seed) {
  std::vector<std::vector<std::int64_t>> samples = samples_of_groups(dataset);
  const std::vector<std::int64_t> share = shares_of_groups(samples, dataset.count, aside, seed);
  std::vector<bool> chosen(static_cast<std::size_t>(dataset.count));
  for (std::size_t c = 0; c < samples.size(); ++c) {
    SampleRandom random(seed, 1 + c);
    const std::int64_t count = std::ssize(samples[c]);
    // The first places of a Fisher-Yates shuffle.
    for (std::int64_t i = 0; i < share[c]; ++i) {
      const auto rest = static_cast<std::uint64_t>(count - i);
      std::swap(samples[c][i], samples[c][i + static_cast<std::int64_t>(random.below(rest))]);
      chosen[samples[c][i]] = true;
    }
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
  for (const auto& [remainders, values] :
       {std::pair(&dataset.feature_remainders, &dataset.features),
        std::pair(&dataset.target_remainders, &dataset.targets)})
    ADJOINT_CHECK(remainders->empty() || remainders->size() == values->size(), dataset.name, ": ",
                  remainders->size(), " remainders of ", values->size(), " numbers");
}

void check_array(const Dataset& dataset, const DataArray& array) {
  ADJOINT_CHECK(
      array.type == DType::uint8 || array.type == DType::float32 || array.type == DType::int32,
      dataset.name, ": array '", array.name, "' is of ", name(array.type),
      "; expected uint8, float32 or int32");
  const auto same = [&](const DataArray& other) { return other.name == array.name; };
  ADJOINT_CHECK(array.name != kInputName && array.name != kTargetName && !array.name.empty() &&
                    std::ranges::count_if(dataset.arrays, same) == 1,
                dataset.name, ": two arrays are called '", array.name,
                "'; expected names that differ, none of them 'input' or 'target'");
  ADJOINT_CHECK(is_utf8(array.name), dataset.name, ": the array '", printable(array.name),
                "' has a name that is not UTF-8; expected text that a recipe can hold");
  const std::size_t bytes =
      array.row_bytes() * static_cast<std::size_t>(array.per_sample ? dataset.count : 1);
  ADJOINT_CHECK(array.values.size() == bytes, dataset.name, ": array '", array.name, "' has ",
                array.values.size() / size_of(array.type), " numbers, expected ",
                bytes / size_of(array.type));
  if (array.type != DType::float32) return;
  const std::span numbers(reinterpret_cast<const float*>(array.values.data()),
                          array.values.size() / sizeof(float));
  const auto bad = std::ranges::find_if(numbers, [](float v) { return !std::isfinite(v); });
  ADJOINT_CHECK(bad == numbers.end(), dataset.name, ": array '", array.name, "', number ",
                bad - numbers.begin(), " is ", *bad, "; expected a finite number");
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

DatasetRows dataset_rows(const Dataset& dataset, std::string_view name) {
  const auto rows = []<class T>(const std::vector<T>& values, std::int64_t width, DType type) {
    return DatasetRows{reinterpret_cast<const std::byte*>(values.data()),
                       static_cast<std::size_t>(width) * sizeof(T), type};
  };
  if (name == kInputName && dataset.type == DType::uint8)
    return rows(dataset.images, dataset.sample_size(), DType::uint8);
  if (name == kInputName) return rows(dataset.features, dataset.sample_size(), DType::float32);
  if (name == kTargetName && dataset.classes > 0) return rows(dataset.labels, 1, DType::int32);
  if (name == kTargetName && dataset.outputs > 0)
    return rows(dataset.targets, dataset.outputs, DType::float32);
  const auto array = std::ranges::find(dataset.arrays, name, &DataArray::name);
  ADJOINT_CHECK(array != dataset.arrays.end(), dataset.name, " has no array '", name, "'");
  return {array->values.data(), array->row_bytes(), array->type};
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
  for (const DataArray& array : dataset.arrays) check_array(dataset, array);
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

Dataset outline_of(const Dataset& dataset) {
  Dataset outline{.type = dataset.type,
                  .sample = dataset.sample,
                  .feature_names = dataset.feature_names,
                  .classes = dataset.classes,
                  .ignored_label = dataset.ignored_label,
                  .class_names = dataset.class_names,
                  .outputs = dataset.outputs,
                  .arrays = {}};
  for (const DataArray& array : dataset.arrays)
    outline.arrays.push_back({array.name, array.type, array.shape, array.per_sample, {}});
  return outline;
}

Dataset first_samples(const Dataset& dataset, std::int64_t count) {
  std::vector<std::int64_t> indices;
  for (std::int64_t i = 0; i < dataset.count && std::ssize(indices) < count; ++i)
    if (dataset.labels.empty() || dataset.labels[std::size_t(i)] != dataset.ignored_label)
      indices.push_back(i);
  return select(dataset, indices);
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
