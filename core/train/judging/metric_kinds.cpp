#include "core/train/judging/metric_kinds.h"

#include <algorithm>
#include <limits>

#include "core/base/error.h"
#include "core/base/kind_registry.h"
#include "core/train/judging/metrics.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

KindRegistry<MetricKind>& registry() {
  static KindRegistry<MetricKind> kinds("metric");
  return kinds;
}

const char* name_of(Predicted predicted) {
  return predicted == Predicted::label    ? "classes"
         : predicted == Predicted::number ? "numbers"
                                          : "probabilities";
}

/// A number of a classification report.
class ClassMetric : public Metric {
 public:
  using Read = double (*)(const ClassificationReport&);
  ClassMetric(Context& context, const MetricOptions& options, Read read)
      : counter_(context, {.classes = static_cast<std::int32_t>(options.width),
                           .samples = options.samples,
                           .ignored_label = options.ignored_label}),
        read_(read) {}
  void clear() override { counter_.clear(); }
  void add(const Tensor& prediction, const Tensor& target) override {
    counter_.add(prediction, target);
  }
  double read() override { return read_(counter_.read()); }

 private:
  ClassificationCounter counter_;
  Read read_;
};

/// The mean, over the numbers to predict, of one of their errors.
class ErrorMetric : public Metric {
 public:
  using Read = double (*)(const RegressionSums&, double unit);
  ErrorMetric(Context& context, const MetricOptions& options, Read read)
      : stream_(context.stream()),
        options_(options),
        sums_(context.memory().allocate(std::size_t(options.width) * sizeof(RegressionSums),
                                        "evaluation")),
        read_(read) {}
  void clear() override { fill_bytes(stream_, sums_.data(), 0, sums_.bytes()); }
  void add(const Tensor& prediction, const Tensor& target) override {
    regression_errors(stream_, prediction, target, static_cast<RegressionSums*>(sums_.data()));
  }
  double read() override {
    std::vector<RegressionSums> sums(static_cast<std::size_t>(options_.width));
    copy_to_host(stream_, sums.data(), sums_.data(), sums.size() * sizeof(sums[0]));
    stream_.synchronize();
    double total = 0;
    for (std::size_t j = 0; j < sums.size(); ++j)
      total += read_(sums[j], options_.deviations.empty() ? 1.0 : options_.deviations[j]);
    return total / static_cast<double>(sums.size());
  }

 private:
  Stream& stream_;
  MetricOptions options_;
  Buffer sums_;
  Read read_;
};

bool of_classes(const char* name, ClassMetric::Read read) {
  return register_metric({.name = name,
                          .of = Predicted::label,
                          .make = [read](Context& context, const MetricOptions& options) {
                            return std::make_unique<ClassMetric>(context, options, read);
                          }});
}

bool of_numbers(const char* name, ErrorMetric::Read read) {
  return register_metric({.name = name,
                          .of = Predicted::number,
                          .make = [read](Context& context, const MetricOptions& options) {
                            return std::make_unique<ErrorMetric>(context, options, read);
                          }});
}

const bool kRegistered[] = {
    of_classes("accuracy", [](const ClassificationReport& r) { return r.accuracy; }),
    of_classes("top5_accuracy", [](const ClassificationReport& r) { return r.top_accuracy; }),
    of_classes("macro_f1", [](const ClassificationReport& r) { return r.macro_f1; }),
    of_classes("macro_area",
               [](const ClassificationReport& r) {
                 return r.has_areas ? r.macro_area : std::numeric_limits<double>::quiet_NaN();
               }),
    of_numbers("mean_absolute_error", mean_absolute_error),
    of_numbers("root_mean_squared_error", root_mean_squared_error),
    of_numbers("r_squared", [](const RegressionSums& sums, double) { return r_squared(sums); }),
};

}  // namespace

bool register_metric(const MetricKind& kind, const char* abi) {
  return registry().add(kind.name, kind, abi);
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names = registry().kinds();
  std::ranges::sort(names);
  return names;
}

std::unique_ptr<Metric> make_metric(const std::string& name, Context& context,
                                    const MetricOptions& options) {
  const MetricKind& kind = registry().find(name);
  ADJOINT_CHECK(kind.of == options.predicted, "metric '", name, "' is of ", name_of(kind.of),
                ", and the loss predicts ", name_of(options.predicted));
  return kind.make(context, options);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
