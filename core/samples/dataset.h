// A data set in host memory, as whole arrays: what samples are given as, and what is asked of them.
// Images are bytes (MNIST takes 47 MB this way), tables are float32. A data set that fits on the
// device is copied there once and gathered by kernels; turning bytes into floating point and
// normalising them belongs to the loader, normalising a table to statistics.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/tensor/dtype.h"
#include "core/tensor/shape.h"

namespace adjoint {

/// An array of a data set beside the input and the target of its samples, under a name: a second
/// input, a mask, the target of another loss. It is given to a model as it is, but for bytes, which
/// become numbers in [0, 1].
struct DataArray {
  std::string name = {};
  /// uint8, float32 or int32.
  DType type = DType::float32;
  /// Of one sample, [] for a number each; without per_sample of the whole.
  Shape shape = {};
  /// Otherwise there is one for all samples: positions, a table.
  bool per_sample = true;
  /// [count, shape] or [shape], contiguous.
  std::vector<std::byte> values = {};

  std::size_t row_bytes() const { return static_cast<std::size_t>(shape.count()) * size_of(type); }
};

struct Dataset {
  /// Shown in messages: "mnist train".
  std::string name = {};
  std::int64_t count = 0;

  // The input of a sample: images or features, the other is empty.

  /// uint8: images; float32: features.
  DType type = DType::uint8;
  /// Of one sample: [channels, height, width], [features].
  Shape sample = {};
  /// [count, sample], contiguous.
  std::vector<std::uint8_t> images = {};
  /// [count, sample], contiguous, and what float32 leaves of them (core/samples/remainder.h): of no
  /// meaning for a loader, used and given up where a table is normalised.
  std::vector<float> features = {};
  std::vector<double> feature_remainders = {};
  /// One for each feature, for messages; may be empty.
  std::vector<std::string> feature_names = {};

  // The target of a sample: a class, or numbers, or neither where the input itself is to be made
  // again.

  /// Labels lie in [0, classes), or are ignored_label; 0: there are none.
  std::int32_t classes = 0;
  /// [count].
  std::vector<std::int32_t> labels = {};
  /// The label of samples whose class is not known, or is not to be learned: no loss learns from
  /// them and no measure counts them. It may be that of a class.
  std::int32_t ignored_label = -100;
  /// What the classes are called; may be empty.
  std::vector<std::string> class_names = {};
  /// Numbers to predict for a sample; 0: there are none.
  std::int64_t outputs = 0;
  /// [count, outputs], likewise.
  std::vector<float> targets = {};
  std::vector<double> target_remainders = {};

  /// Further arrays, by names that differ, none of them "input" or "target".
  std::vector<DataArray> arrays = {};

  /// What the reader of a file found worth telling people, a line each; parts of a data set and
  /// selections have none.
  std::vector<std::string> notices = {};

  /// Numbers of one sample.
  std::int64_t sample_size() const { return sample.count(); }
  /// Pixels of sample `index`, [channels, height, width].
  std::span<const std::uint8_t> image(std::int64_t index) const;
  /// Features of sample `index`.
  std::span<const float> row(std::int64_t index) const;
};

/// An array of a data set as rows of bytes, one a sample, or one for all: how loaders see it.
struct DatasetRows {
  const std::byte* data = nullptr;
  std::size_t row_bytes = 0;
  DType type = DType::float32;
};
/// By name: kInputName, kTargetName, or that of a further array. Throws Error where there is none.
DatasetRows dataset_rows(const Dataset& dataset, std::string_view name);

/// The name of a sample's input, and of its label or numbers to predict, among the arrays.
inline constexpr const char* kInputName = "input";
inline constexpr const char* kTargetName = "target";

/// What is learned from and what is measured on.
struct Datasets {
  Dataset train;
  Dataset test;
};

/// Throws Error unless the arrays have the sizes the counts say, there is at least one sample,
/// every label lies in [0, classes) or is the ignored one, every feature and target is a finite
/// number, and all names are UTF-8, as model files must be; the first that does not fit is named.
/// Likewise of further arrays.
void check_dataset(const Dataset& dataset);

/// The samples at `indices`, in that order. Throws Error for an index outside.
Dataset select(const Dataset& dataset, std::span<const std::int64_t> indices);

/// What samples are, without any.
Dataset outline_of(const Dataset& dataset);

/// The first `count` samples whose label is not ignored, or all of these.
Dataset first_samples(const Dataset& dataset, std::int64_t count);

struct SplitOptions {
  /// Every class gives the same part, as near as whole samples allow; the seed decides which of
  /// several that have equal claims gives one more.
  bool stratified = false;
  /// Stands in the name of the part set aside.
  std::string name = "validation";
};

/// Sets aside round(fraction * count) samples, chosen by `seed`, the same on every machine; both
/// parts keep the order of the samples. Of every class one sample stays in the training part: where
/// classes are that rare, fewer are set aside. Throws Error unless 0 <= fraction < 1 and a training
/// sample remains. A fraction of 0 gives an empty second part, which check_dataset would refuse.
struct Split {
  Dataset train;
  Dataset validation;
};
Split split_validation(const Dataset& dataset, double fraction, std::uint64_t seed,
                       const SplitOptions& options = {});

/// Mean and standard deviation of all pixels, scaled to [0, 1]. Exact: sums of integers.
struct PixelStatistics {
  double mean = 0;
  double deviation = 0;
};
PixelStatistics pixel_statistics(const Dataset& dataset);

}  // namespace adjoint
