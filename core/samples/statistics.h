// What is learned from the training part before training: mean and deviation of each feature, how
// often each class comes.
//
// Tables are normalised here, in place, once: float32 stays float32, so that the device would save
// nothing by doing it at each batch, and in double a mean of 10^9 loses no digits, nor does the
// number it is taken from: what float32 does not hold of that is at hand
// (core/samples/remainder.h). Images are bytes and are normalised where they become floating point,
// by the loader's kernel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/base/options.h"
#include "core/samples/dataset.h"

namespace adjoint {

/// value -> (value - mean) / deviation: a number for each column, or one for all; of images one for
/// all pixels, scaled to [0, 1]; empty where values are left as they are.
struct Normalisation {
  std::vector<double> mean = {};
  std::vector<double> deviation = {};
  bool operator==(const Normalisation&) const = default;
};

/// What a model's inputs and targets were normalised by: stored with the model.
struct DataStatistics {
  Normalisation input;
  Normalisation target;
  bool operator==(const DataStatistics&) const = default;
};

/// A column that counts as constant, and the deviation that was measured.
struct ConstantColumn {
  std::int64_t column = 0;
  double deviation = 0;
};

/// Whether a deviation, or a distance from the mean, is more than rounding makes: at least
/// float32's smallest normal number, 1.2e-38, and above four units in the last place of the mean as
/// a double. Divided by less, what is only slightly out of the ordinary would become as good as
/// infinite.
bool varies(double distance, double mean);

/// Mean and standard deviation of each column of [rows, columns], row by row in double, so that
/// they are the same on every machine. A column that does not vary gets deviation 1, and is entered
/// in `constant` unless that is null. `remainders` are empty or as many as `values`. Throws Error
/// without rows.
Normalisation column_statistics(std::span<const float> values, std::int64_t columns,
                                std::span<const double> remainders = {},
                                std::vector<ConstantColumn>* constant = nullptr);
/// Normalises the columns of [rows, columns] in place, in double; by the one mean there is, if
/// there is one, else by one for each column. Throws Error unless deviations are positive, and
/// naming row and column for a number that would become infinite: it lies further from the mean
/// than the model's numbers reach.
void normalise(std::span<float> values, const Normalisation& normalisation,
               std::span<const double> remainders = {});

/// Features, of a table, and targets of a data set as a model is given them, by what it was trained
/// with; remainders are used and let go. Throws Error naming data set and column where the columns
/// are not those of `statistics`, and like the above.
void normalise(Dataset& dataset, const DataStatistics& statistics);

/// What loaders do to pixels under these statistics.
PixelStatistics pixel_scale(const DataStatistics& statistics);

/// Samples of each class; those with the ignored label are none of any. Throws Error for a data set
/// without classes.
std::vector<std::int64_t> class_counts(const Dataset& dataset);
/// Throws Error naming the first class that has no sample, unless it is the ignored one.
void check_classes(const Dataset& dataset);
/// count / (classes * samples of the class), for each class: factors by which every class counts
/// alike in a loss, 1 on average over the samples. Ignored samples and an ignored class are left
/// out of both counts. Throws Error for a class without samples.
std::vector<float> balanced_class_weights(const Dataset& dataset);
/// The weights of Loader's samples under which every class comes equally often: 1 / samples of its
/// class, 0 for an ignored sample. Throws Error for a class without samples.
std::vector<double> balanced_sample_weights(const Dataset& dataset);

/// class_weights = "balanced" among the options of a loss becomes the list of
/// balanced_class_weights of the training part; of a data set of no samples, ones.
void resolve_class_weights(Options& loss, const Dataset& train);

}  // namespace adjoint
