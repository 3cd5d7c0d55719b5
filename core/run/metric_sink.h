// MetricSink: who is told how a training run goes: a file of rows, a log, a progress bar, or one's
// own. Every sink is told the same, in the order in which it happens, from the thread that trains.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/train/files/run_folder.h"
#include "core/train/loop/trainer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What is known of a run before its first update.
struct RunFacts {
  std::string name;  ///< of the recipe, or of the folder that is gone on with
  std::filesystem::path folder;
  std::filesystem::path metrics;      ///< its file of rows
  std::string data;                   ///< "digits, 27000 training, ... samples"
  std::vector<std::string> notices;   ///< of the data, a line each
  std::vector<std::string> warnings;  ///< of the model, likewise
  std::int64_t parameters = 0;
  std::size_t memory_bytes = 0;
  std::int64_t steps = 0;  ///< updates of the whole run
  std::int64_t epochs = 0;
  bool resumed = false;
  std::int64_t steps_before = 0;      ///< of a run that is gone on with
  bool classifies = false;            ///< accuracies mean something
  std::vector<std::string> measures;  ///< what validation measures beside (measure_names)
  const Model* model = nullptr;       ///< lives as long as the run
};

class MetricSink {
 public:
  virtual ~MetricSink() = default;

  virtual void begin(const RunFacts&) {}
  /// After steps have run; must not wait for the device.
  virtual void step(const StepReport&) {}
  /// After every so many updates, however fast steps are read (TrainerOptions::on_row).
  virtual void row(const StepReport&) {}
  virtual void epoch(const EpochReport&) {}
  /// What was told so far is to last: the run is about to be saved, and one that goes on from there
  /// tells only what comes later.
  virtual void flush() {}
  /// Training is over, completed or stopped; before the test.
  virtual void finish() {}
};

/// metrics.csv of a run's folder.
class CsvSink : public MetricSink {
 public:
  void begin(const RunFacts& facts) override;
  void step(const StepReport& step) override { latest_ = step; }
  void row(const StepReport& step) override;
  void epoch(const EpochReport& epoch) override;
  void flush() override;

 private:
  std::unique_ptr<MetricsFile> file_;
  bool classifies_ = false;
  StepReport latest_;
};

/// The lines of opening_lines() and epoch_lines() (run_text.h), to the log.
class LogSink : public MetricSink {
 public:
  void begin(const RunFacts& facts) override;
  void epoch(const EpochReport& epoch) override;

 private:
  RunFacts facts_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
