// Measures of a model's predictions, by name: metrics = ["accuracy", "macro_f1"] of a loss in a
// recipe. A metric enters itself where it is defined, so that a plugin's are found as built-in ones
// are.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/abi.h"
#include "core/device/context.h"
#include "core/tensor/predicted.h"
#include "core/tensor/tensor.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What a metric is of.
struct MetricOptions {
  Predicted predicted = Predicted::number;
  /// [rows, width], the scores of classes or the numbers to predict.
  std::int64_t width = 0;
  std::int64_t samples = 0;  ///< in all batches together
  std::int32_t ignored_label = -100;
  /// What numbers were divided by when they were normalised, one each; empty: by nothing.
  std::vector<double> deviations = {};
};

/// A measure over a data set, counted on the device batch by batch and read once.
class Metric {
 public:
  virtual ~Metric() = default;

  /// Both put work on the stream, which may be captured: forget all; add a batch, the prediction
  /// [rows, width] and its labels int32 [rows] or numbers [rows, width].
  virtual void clear() = 0;
  virtual void add(const Tensor& prediction, const Tensor& target) = 0;
  /// Waits. NaN where there is nothing to measure.
  virtual double read() = 0;
};

struct MetricKind {
  std::string name;
  Predicted of = Predicted::label;
  std::function<std::unique_ptr<Metric>(Context&, const MetricOptions&)> make;
};

/// Enters a metric. Never throws, as it runs before main(): a name that is taken, or a metric that
/// was compiled otherwise than the program, is an error of make_metric().
bool register_metric(const MetricKind& kind, const char* abi = kAbiTag);
/// Of all metrics, sorted.
std::vector<std::string> metric_names();
/// The metric of that name, of predictions like these. Throws Error naming the nearest where there
/// is none, and for one of other predictions.
std::unique_ptr<Metric> make_metric(const std::string& name, Context& context,
                                    const MetricOptions& options);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
