// Evaluator: loss, and accuracy or errors, of a model over a whole data set, added up on the
// device; one wait at the end.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/device/replay.h"
#include "core/samples/batch_source.h"
#include "core/samples/statistics.h"
#include "core/train/judging/metric_kinds.h"
#include "core/train/judging/metrics.h"
#include "core/train/recipe/model.h"
#include "kernels/regression_errors.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A number that was measured, by name.
struct Measure {
  std::string name;
  double value = 0;

  bool operator==(const Measure&) const = default;
};

struct Evaluation {
  double loss = 0;      ///< mean over what counts; of several losses their weighted sum
  double accuracy = 0;  ///< of the samples that count, in [0, 1]; 0 where nothing is right or wrong
  std::int64_t count = 0;

  // Of numbers to predict, one for each output; empty without, and where predictions are logits.

  /// Mean of |prediction - target|, in the units of the data before they were normalised.
  std::vector<double> mean_absolute_errors = {};
  /// Root of the mean of (prediction - target)^2, likewise.
  std::vector<double> root_mean_squared_errors = {};
  /// 1 - sum of squared errors / sum of squared distances from the mean: 1 where all is right, 0
  /// for a model that knows the mean alone, NaN where targets do not vary.
  std::vector<double> r_squared = {};

  /// Of several losses each by itself, and what their metrics measured: see measure_names().
  std::vector<Measure> measures = {};
};

/// Names of what is measured of a model beside its loss: "NAME_loss" of each of several losses, and
/// its metrics, "NAME_r_squared"; of a single loss "r_squared".
std::vector<std::string> measure_names(const Model& model);

/// Samples of the source's next batch that count: all but those whose label is to be ignored.
/// Totals do not say, once classes have weights.
std::int64_t next_counted(const BatchSource& source, const Model& model);
/// What part of the samples that count was predicted right; of logits, of what the mean divides by;
/// without either 0.
double accuracy_of(const Model& model, double correct, double divisor, double counted);

/// Throws Error for an input of the model that the source does not have, or has in another type or
/// shape.
void check_inputs(const BatchSource& source, const Model& model);
/// Throws Error, naming a sample, unless the loss takes all targets of the source.
void check_targets(const BatchSource& source, const Model& model);
/// What is wrong with targets, or an input to be made again, that the last layer cannot reach;
/// empty where it can.
std::string unreachable_targets(const BatchSource& source, const Model& model);

/// Puts on the stream what fills the model's inputs with the source's next batch.
void gather_batch(BatchSource& source, const Model& model);
/// Fills the model's inputs with one batch of the epoch after the other and calls visit(number of
/// the batch, its size) for each. For a look at samples after something was wrong with them.
void for_each_batch(const Model& model, BatchSource& source, std::uint64_t epoch,
                    const std::function<void(std::int64_t batch, std::int64_t size)>& visit);

class Evaluator {
 public:
  /// Both must outlive it. Throws Error for a metric that is none, or is of other predictions, and
  /// like check_inputs() and check_targets(). The source must give every epoch the same samples.
  /// `target` is what targets were normalised by. `counter`, of a model that keeps its predictions,
  /// is cleared and told every batch.
  Evaluator(Model& model, BatchSource& source, const Normalisation& target = {},
            ClassificationCounter* counter = nullptr);
  /// Waits. Leaves the context in the mode (training or not) it was in.
  Evaluation run();
  BatchSource& source() const { return source_; }

 private:
  // What is measured of one loss beside what is measured of all models.
  struct LossMeasures {
    const ModelLoss& loss;
    Buffer workspace;  // as workspace_, of several losses
    std::vector<std::unique_ptr<Metric>> metrics;
  };

  void make_measures();
  void clear_measures();
  void add_measures();
  void read_measures(Evaluation& found);
  void read_errors(Evaluation& found);

  Model& model_;
  BatchSource& source_;
  Normalisation target_;
  ClassificationCounter* counter_;
  Buffer workspace_;  // a StepWorkspace, whose totals are used, and a random step, which is not
  Buffer errors_;     // RegressionSums of each output
  std::vector<LossMeasures> measures_;  // one a loss
  ReplayCache<std::int64_t> batches_;
};

/// Graph::verify() after the epoch `epoch` of the source; if a label was met that is no class, the
/// error names the sample.
void verify_labels(Model& model, BatchSource& source, std::uint64_t epoch);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
