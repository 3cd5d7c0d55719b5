#include "core/run/metric_sink.h"

#include "core/base/log.h"
#include "core/run/run_text.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// What a row within an epoch and that of its end have in common.
MetricsRow row_of(const StepReport& step, bool classifies) {
  MetricsRow row{.epoch = step.epoch,
                 .step = step.step,
                 .seconds = step.seconds,
                 .train_loss = step.loss,
                 .learning_rate = step.learning_rate,
                 .gradient_norm = step.gradient_norm,
                 .skipped = step.skipped};
  if (classifies) row.train_accuracy = step.accuracy;
  if (step.loss_scale != 1) row.loss_scale = step.loss_scale;
  return row;
}

}  // namespace

void CsvSink::begin(const RunFacts& facts) {
  file_ = facts.resumed
              ? std::make_unique<MetricsFile>(facts.metrics, facts.steps_before, facts.measures)
              : std::make_unique<MetricsFile>(facts.metrics, facts.measures);
  classifies_ = facts.classifies;
}

void CsvSink::row(const StepReport& step) { file_->add(row_of(step, classifies_)); }

void CsvSink::epoch(const EpochReport& epoch) {
  if (!epoch.judged) return;
  MetricsRow row = row_of(latest_, classifies_);
  row.epoch = epoch.epoch;
  row.step = epoch.step;
  row.seconds = epoch.seconds;
  row.train_loss = epoch.train.loss;
  if (classifies_) row.train_accuracy = epoch.train.accuracy;
  row.skipped = epoch.skipped;
  if (epoch.validation) {
    row.validation_loss = epoch.validation->loss;
    if (classifies_) row.validation_accuracy = epoch.validation->accuracy;
    for (const Measure& measure : epoch.validation->measures) row.measures.push_back(measure.value);
  }
  file_->add(row);
}

void CsvSink::flush() { file_->sync(); }

void LogSink::begin(const RunFacts& facts) {
  facts_ = facts;
  for (const std::string& warning : facts.warnings) log_info("warning: ", warning);
  for (const std::string& line : opening_lines(facts)) log_info(line);
}

void LogSink::epoch(const EpochReport& epoch) {
  for (const std::string& line : epoch_lines(facts_, epoch)) log_info(line);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
