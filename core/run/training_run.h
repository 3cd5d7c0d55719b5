// TrainingRun: a recipe from its data to the files of its run: trains with validation, checkpoints
// and the best model kept, goes on with a run that was stopped, tests the best model at the end.
// Whoever wants to know how it goes is a MetricSink.
//
//   TrainingRun run(read_recipe("digits.toml"), {.out = "runs/mine"});
//   CsvSink rows;
//   run.add(rows);
//   run.train();
//   std::printf("accuracy %g\n", run.test().accuracy);
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/data/loader/loader.h"
#include "core/run/metric_sink.h"
#include "core/samples/recipe_data.h"
#include "core/train/loop/trainer.h"
#include "core/train/recipe/recipe.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct TrainingRunOptions {
  /// Where the data lie; empty: where the recipe says.
  std::filesystem::path data = {};
  /// The run's folder; empty: a new one, runs/<name>-<number>.
  std::filesystem::path out = {};
  bool overwrite = false;  ///< a run in `out` may be replaced
  /// The folder of a run to go on with, whose recipe this is.
  std::filesystem::path resume = {};
  /// A single batch of validation and test samples: to see that all parts work.
  bool brief = false;
  /// Looked at between updates; once true, the run ends as if this update had been the last.
  const std::atomic<bool>* stop = nullptr;
  /// Called before the first engine is chosen.
  std::function<void(Context&)> choose_engines = {};
};

class TrainingRun {
 public:
  /// Rows of metrics within an epoch: one every so many updates.
  static constexpr std::int64_t kRowSteps = 50;

  /// Loads data, builds the model and reads the run that is gone on with. Nothing is written yet.
  /// Throws Error for a recipe, data or a run that cannot be.
  TrainingRun(Recipe recipe, const TrainingRunOptions& options);
  TrainingRun(const TrainingRun&) = delete;
  TrainingRun& operator=(const TrainingRun&) = delete;

  /// Before train(): is told how it goes, after those added earlier. Must outlive the run.
  void add(MetricSink& sink) { sinks_.push_back(&sink); }

  /// Makes the folder, trains to the end or until stopped, and saves; whether it came to the end.
  /// Throws Error like Trainer::run(), for a folder that cannot be written, and where no model
  /// had a loss that is a number.
  bool train();
  /// The best model, which the graph then holds, over the test samples.
  Evaluation test();

  const Recipe& recipe() const { return recipe_; }
  const RunFolder& folder() const { return *folder_; }
  const RunFacts& facts() const { return facts_; }
  /// What samples are: a data set without any.
  const Dataset& outline() const { return outline_; }
  const DataStatistics& statistics() const { return statistics_; }
  Model& model() { return model_; }
  const Trainer& trainer() const { return *trainer_; }
  BatchSource& test_samples() { return *test_; }
  bool validates() const { return validation_ != nullptr; }
  /// Of the last update that ran.
  const StepReport& latest() const { return latest_; }

 private:
  bool resumes() const { return !options_.resume.empty(); }
  void read_earlier_run();
  void load_data();
  LoaderOptions loader_options(bool shuffle) const;
  void make_trainer();
  void resume();
  void open_folder();
  void find_facts();
  void on_epoch(const EpochReport& epoch);
  void save_last();
  SafetensorsMetadata metadata(std::int64_t epoch) const;
  template <class Tell>
  void tell(const Tell& tell) {
    for (MetricSink* sink : sinks_) tell(*sink);
  }

  Recipe recipe_;
  TrainingRunOptions options_;
  Context context_;
  std::optional<RunFolder> folder_;
  RunFacts facts_;
  DataStatistics statistics_;
  Dataset outline_;
  std::unique_ptr<Loader> train_, validation_, test_;
  Model model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<SafetensorsFile> earlier_;  // while a run is being resumed
  RunState state_before_;
  std::vector<MetricSink*> sinks_;
  StepReport latest_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
