// What a classifier is worth beside its accuracy: top-k, precision, recall and F1 of each class,
// the confusion matrix, areas under ROC curves. Batches are counted on the device and nothing waits
// for them; areas are worked out on the host, exactly, from scores that were kept on the device:
// sorting is the host's business as long as evaluation is rare.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/device/context.h"
#include "kernels/metrics.h"
#include "kernels/regression_errors.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// NaN where there is nothing to measure: a class without samples has no recall, one without
/// predictions no precision.
struct ClassReport {
  std::int64_t samples = 0;    ///< of this class
  std::int64_t predicted = 0;  ///< taken for this class
  std::int64_t right = 0;      ///< both
  double precision = 0;        ///< right / predicted
  double recall = 0;           ///< right / samples
  double f1 = 0;               ///< 2 right / (samples + predicted)
  double area = 0;             ///< under the ROC curve of this class against the others
};

struct ClassificationReport {
  std::int64_t count = 0;  ///< samples that count
  /// Of these, with scores that are no numbers: they are wrong, and no area can be measured.
  std::int64_t unordered = 0;
  double accuracy = 0;
  int top = 0;              ///< k
  double top_accuracy = 0;  ///< the label is among the k best scores
  double macro_f1 = 0;      ///< mean over classes that have samples or predictions
  /// Mean over classes that have samples and others beside them; of two classes that of class 1.
  /// NaN where there are none, or scores were not kept.
  double macro_area = 0;
  bool has_areas = false;  ///< scores were kept
  std::vector<ClassReport> classes;
  /// [classes, classes]: how often label i was taken for class j; empty for many classes.
  std::vector<std::int64_t> confusion;
};

struct MetricsOptions {
  std::int32_t classes = 0;
  std::int64_t samples = 0;  ///< in all batches together
  std::int32_t ignored_label = -100;
  int top = 5;  ///< at most `classes`
  /// The confusion matrix is left out where it would be larger, and so are the areas.
  std::size_t most_confusion_bytes = std::size_t{16} << 20;
  std::size_t most_score_bytes = std::size_t{512} << 20;
};

class ClassificationCounter {
 public:
  /// Throws Error for no classes or samples.
  ClassificationCounter(Context& context, const MetricsOptions& options);

  /// Both put work on the stream: forget all; add scores [rows, classes] and labels int32 [rows].
  void clear();
  void add(const Tensor& scores, const Tensor& labels);
  /// Waits.
  ClassificationReport read() const;

 private:
  template <class T>
  std::vector<T> download(const T* from, std::int64_t count) const;
  void read_areas(ClassificationReport& report) const;

  Context& context_;
  MetricsOptions options_;
  Buffer counts_, scores_;
  MetricSums sums_;
};

// Of one number to predict, over all batches that were added (regression_errors). `unit` is what it
// was divided by when it was normalised; ratios of squares are the same in any unit.

double mean_absolute_error(const RegressionSums& sums, double unit);
double root_mean_squared_error(const RegressionSums& sums, double unit);
/// 1 - sum of squared errors / sum of squared distances from the mean; NaN where targets do not
/// vary.
double r_squared(const RegressionSums& sums);

/// The probability that a positive sample scores above a negative one, ties counting half (Mann and
/// Whitney 1947), which is the area under the ROC curve; exact but for the last division.
/// `positive` says which are. NaN without positives, without negatives, and where a score is NaN.
double area_under_curve(std::span<const float> scores, const std::vector<bool>& positive);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
