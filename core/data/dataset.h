// Labelled images in host memory, as whole arrays of bytes: MNIST takes 47 MB this way, and a data
// set that fits on the device is copied there once and gathered by kernels. Conversion to floating
// point and normalisation belong to the loader.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace adjoint {

struct ImageDataset {
  /// Shown in messages: "mnist train".
  std::string name = {};
  std::int64_t count = 0;
  std::int64_t channels = 1;
  std::int64_t height = 0;
  std::int64_t width = 0;
  /// Labels lie in [0, classes).
  std::int32_t classes = 0;
  /// [count, channels, height, width], contiguous.
  std::vector<std::uint8_t> images = {};
  /// [count].
  std::vector<std::int32_t> labels = {};

  /// Bytes of one image, which are also its pixels.
  std::int64_t image_size() const { return channels * height * width; }
  /// Pixels of sample `index`, [channels, height, width].
  std::span<const std::uint8_t> image(std::int64_t index) const;
};

/// What is learned from and what is measured on.
struct ImageDatasets {
  ImageDataset train;
  ImageDataset test;
};

/// Throws Error unless the arrays have the sizes the counts say, there is at least one sample, and
/// every label lies in [0, classes); the first sample that does not is named.
void check_dataset(const ImageDataset& dataset);

/// The four files of MNIST (train-images-idx3-ubyte, ..., also spelled train-images.idx3-ubyte,
/// with or without .gz) in `folder` or in its subfolder mnist. Throws Error for a missing folder or
/// file, files of other shapes or types, counts of images and labels that differ, and what
/// check_dataset refuses. Fashion-MNIST and other sets in these files load as well.
ImageDatasets load_mnist(const std::filesystem::path& folder);

/// The samples at `indices`, in that order. Throws Error for an index outside.
ImageDataset select(const ImageDataset& dataset, std::span<const std::int64_t> indices);

/// Sets aside round(fraction * count) samples, chosen by `seed`, the same on every machine; both
/// parts keep the order of the samples. Throws Error unless 0 <= fraction < 1 and a training sample
/// remains. A fraction of 0 gives an empty second part, which check_dataset would refuse.
struct Split {
  ImageDataset train;
  ImageDataset validation;
};
Split split_validation(const ImageDataset& dataset, double fraction, std::uint64_t seed);

/// Mean and standard deviation of all pixels, scaled to [0, 1]. Exact: sums of integers.
struct PixelStatistics {
  double mean = 0;
  double deviation = 0;
};
PixelStatistics pixel_statistics(const ImageDataset& dataset);

}  // namespace adjoint
