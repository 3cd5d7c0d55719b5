// What is learned from the training part before training: mean and deviation of each feature, how
// often each class comes.
//
// Tables are normalised here, in place, once: float32 stays float32, so that the device would save
// nothing by doing it at each batch, and in double a mean of 10^9 loses no digits. Images are bytes
// and are normalised where they become floating point, by the loader's kernel.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/data/dataset.h"

namespace adjoint {

/// value -> (value - mean) / deviation: a number for each column, or one for all pixels, scaled to
/// [0, 1], of images; empty where values are left as they are.
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

/// Mean and standard deviation of each column of [rows, columns], row by row in double, so that
/// they are the same on every machine. A column of equal values gets deviation 1. Throws Error
/// without rows.
Normalisation column_statistics(std::span<const float> values, std::int64_t columns);
/// Normalises the columns of [rows, columns] in place. Throws Error unless there is a positive
/// deviation for each column.
void normalise(std::span<float> values, const Normalisation& normalisation);

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

}  // namespace adjoint
