// What the scores of a classifier are worth, counted on the device over the batches of a data set:
// counts are whole numbers and exact, and nothing is read before the end.
#pragma once

#include <cstdint>

#include "core/device/stream.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Of atomicAdd's type.
using MetricCount = unsigned long long;

/// Over all batches so far. A sample counts if its label is a class and not the ignored one.
struct SampleCounts {
  MetricCount rows = 0;       ///< all, whether they count or not
  MetricCount samples = 0;    ///< those that count
  MetricCount unordered = 0;  ///< of these, predicted nothing (see classification_metrics)
};

/// Of one class, over samples that count.
struct ClassCounts {
  MetricCount samples = 0;    ///< with this label
  MetricCount predicted = 0;  ///< with this prediction
  MetricCount right = 0;      ///< with both
};

/// Where the counts lie: device memory, zero before the first batch.
struct MetricSums {
  SampleCounts* samples = nullptr;   ///< [1]
  ClassCounts* classes = nullptr;    ///< [classes]
  MetricCount* ranks = nullptr;      ///< [kept_ranks]: samples whose label has the i-th best score
  int kept_ranks = 0;                ///< at most classes
  MetricCount* confusion = nullptr;  ///< optional, [classes, classes]: label, prediction
  // Optional, of each row, for areas under curves:
  std::int64_t kept_samples = 0;          ///< for how many rows there is room
  float* margins = nullptr;               ///< [kept_samples, margin_columns(classes)]
  std::int32_t* margin_labels = nullptr;  ///< [kept_samples]; -1: does not count
};

/// The log-odds of each class; of two, of class 1 alone, for the other's are their negative.
inline std::int64_t margin_columns(std::int64_t classes) { return classes == 2 ? 1 : classes; }

/// Adds a batch of scores [rows, classes], floating (logits), and labels [rows], int32: two
/// launches. The prediction is the first of the largest scores. A row without an
/// order (a score that is NaN or +infinity, or all of them -infinity) predicts nothing: it counts,
/// as wrong, has no rank, stands in no column of the confusion matrix, and its margins are NaN.
/// Rows beyond kept_samples keep no margins. Throws Error naming the operand whose type or shape
/// does not fit.
void classification_metrics(Stream& stream, const Tensor& scores, const Tensor& labels,
                            std::int32_t ignored_label, const MetricSums& sums);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
