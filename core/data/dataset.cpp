#include "core/data/dataset.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "core/base/error.h"
#include "core/data/random.h"

namespace adjoint {
namespace {

void copy_sample(const ImageDataset& from, std::int64_t index, ImageDataset& to) {
  const auto image = from.image(index);
  to.images.insert(to.images.end(), image.begin(), image.end());
  to.labels.push_back(from.labels[static_cast<std::size_t>(index)]);
  ++to.count;
}

ImageDataset empty_like(const ImageDataset& dataset, const std::string& name,
                        std::int64_t capacity) {
  ImageDataset out{.name = name,
                   .channels = dataset.channels,
                   .height = dataset.height,
                   .width = dataset.width,
                   .classes = dataset.classes};
  out.images.reserve(static_cast<std::size_t>(capacity * dataset.image_size()));
  out.labels.reserve(static_cast<std::size_t>(capacity));
  return out;
}

}  // namespace

std::span<const std::uint8_t> ImageDataset::image(std::int64_t index) const {
  ADJOINT_CHECK(index >= 0 && index < count, name, ": sample ", index, " of ", count,
                " does not exist");
  return std::span(images).subspan(static_cast<std::size_t>(index * image_size()),
                                   static_cast<std::size_t>(image_size()));
}

void check_dataset(const ImageDataset& dataset) {
  ADJOINT_CHECK(dataset.count > 0, dataset.name, ": the data set is empty; expected a sample");
  ADJOINT_CHECK(dataset.image_size() > 0, dataset.name, ": images of ", dataset.channels, "x",
                dataset.height, "x", dataset.width, " have no pixels");
  ADJOINT_CHECK(std::ssize(dataset.labels) == dataset.count, dataset.name, ": ", dataset.count,
                " images but ", dataset.labels.size(), " labels");
  ADJOINT_CHECK(std::ssize(dataset.images) == dataset.count * dataset.image_size(), dataset.name,
                ": ", dataset.images.size(), " bytes of pixels, expected ",
                dataset.count * dataset.image_size());
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    const std::int32_t label = dataset.labels[static_cast<std::size_t>(i)];
    ADJOINT_CHECK(label >= 0 && label < dataset.classes, dataset.name, ": sample ", i,
                  " has label ", label, "; expected 0 to ", dataset.classes - 1);
  }
}

ImageDataset select(const ImageDataset& dataset, std::span<const std::int64_t> indices) {
  ImageDataset out = empty_like(dataset, dataset.name, std::ssize(indices));
  for (std::int64_t index : indices) copy_sample(dataset, index, out);
  return out;
}

Split split_validation(const ImageDataset& dataset, double fraction, std::uint64_t seed) {
  ADJOINT_CHECK(fraction >= 0 && fraction < 1, "validation fraction: expected 0 <= fraction < 1, ",
                "got ", fraction);
  const auto aside =
      static_cast<std::int64_t>(std::llround(fraction * static_cast<double>(dataset.count)));
  ADJOINT_CHECK(aside < dataset.count, dataset.name, ": a validation fraction of ", fraction,
                " leaves none of ", dataset.count, " samples to train on");
  std::vector<std::int64_t> order(static_cast<std::size_t>(dataset.count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  // The first `aside` places of a Fisher-Yates shuffle.
  SampleRandom random(seed, 0);
  for (std::int64_t i = 0; i < aside; ++i) {
    std::swap(order[i], order[i + static_cast<std::int64_t>(random.below(dataset.count - i))]);
  }
  std::vector<bool> chosen(order.size());
  for (std::int64_t i = 0; i < aside; ++i) chosen[order[i]] = true;
  Split split{empty_like(dataset, dataset.name, dataset.count - aside),
              empty_like(dataset, dataset.name + " (validation)", aside)};
  for (std::int64_t i = 0; i < dataset.count; ++i) {
    copy_sample(dataset, i, chosen[i] ? split.validation : split.train);
  }
  return split;
}

PixelStatistics pixel_statistics(const ImageDataset& dataset) {
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
