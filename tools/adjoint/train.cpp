// adjoint train: a recipe, a run folder, a progress bar, and what to do next.
#include <algorithm>
#include <cmath>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/run/run_text.h"
#include "core/run/training_run.h"
#include "core/train/judging/not_finite.h"
#include "core/train/judging/reconstructions.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/temporary_folder.h"
#include "tools/progress/progress.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// The bar, and the lines above it.
class ProgressSink : public MetricSink {
 public:
  explicit ProgressSink(Progress& progress) : progress_(progress) {}

  void begin(const RunFacts& facts) override {
    facts_ = facts;
    for (const std::string& line : opening_lines(facts)) progress_.print(line);
  }

  void step(const StepReport& step) override {
    const double weight = steps_ == 0 ? 1.0 : 0.1;
    ++steps_;
    state_.loss += weight * (step.loss - state_.loss);
    if (facts_.classifies) {
      const double before = state_.accuracy.value_or(0);
      state_.accuracy = before + weight * (step.accuracy - before);
    }
    state_.epochs = facts_.epochs;
    state_.epoch = step.epoch;
    state_.step = step.step;
    state_.steps = step.steps;
    // Said only where losses are scaled: in float16.
    state_.loss_scale = step.loss_scale != 1 ? std::optional(step.loss_scale) : std::nullopt;
    state_.samples_per_second = step.samples_per_second;
    state_.seconds_left = step.seconds / double(step.step) * double(step.steps - step.step);
    progress_.update(state_);
  }

  void epoch(const EpochReport& epoch) override {
    for (const std::string& line : epoch_lines(facts_, epoch)) progress_.print(line);
  }

  void finish() override { progress_.finish(); }

 private:
  Progress& progress_;
  RunFacts facts_;
  ProgressState state_;
  std::int64_t steps_ = 0;
};

class TrainProgram {
 public:
  explicit TrainProgram(const TrainCommand& command) : command_(command) {
    // A run that is gone on with has its own.
    if (!command.resume.empty())
      command_.choice.recipe = RunFolder::resume(command.resume).recipe().string();
    Recipe recipe = read_choice(command_.choice);
    if (command.fast_dev_run) {
      recipe.train.epochs.reset();
      recipe.train.steps = 1;
      command_.out = nowhere_.emplace().path() / "run";
    }
    run_.emplace(std::move(recipe), TrainingRunOptions{.data = command_.choice.data,
                                                       .out = command_.out,
                                                       .overwrite = command_.overwrite,
                                                       .resume = command_.resume,
                                                       .brief = command_.fast_dev_run,
                                                       .stop = &stop_flag(),
                                                       .choose_engines = [this](Context& context) {
                                                         choose_engines(context, command_.engines);
                                                       }});
  }

  int run() {
    run_->add(rows_);
    run_->add(log_);
    if (!command_.quiet) run_->add(bar_);
    catch_interrupts();
    completed_ = run_->train();
    report();
    return 0;
  }

 private:
  bool classifies() const { return run_->facts().classifies; }
  const Trainer& trainer() const { return run_->trainer(); }

  void report() {
    const Evaluation test = run_->test();
    std::vector<std::string> lines = skip_lines();
    if (!std::isfinite(test.loss))
      lines.push_back(str("the test loss is ", kind_of_loss(test.loss), ": ",
                          why_not_finite(run_->model(), run_->test_samples(), 0)));
    if (!completed_)
      lines.push_back(str("stopped after ", run_->latest().step, " of ", run_->facts().steps,
                          " updates; what was learned is saved"));
    lines.push_back(test_line(test));
    for (const std::string& line : lines) {
      log_info(line);
      progress_.print(line);
    }
    if (draws())
      draw_reconstructions(run_->folder().reconstructions(), run_->model(), run_->test_samples(),
                           run_->outline().sample, pixel_scale(run_->statistics()));
    if (command_.fast_dev_run)
      read_back();
    else
      progress_.print(closing_lines());
    stop_logging();
  }

  std::string test_line(const Evaluation& test) {
    const EpochReport& last = trainer().epochs().back();
    const bool with_loss = classifies() || !test.r_squared.empty();
    return str("test ", result_text(run_->model(), test), " on ", test.count, " unseen samples",
               with_loss ? ", loss " + fixed(test.loss, 4) : "", measures_text(test), ", after ",
               human_duration(last.seconds), " of training (model of epoch ",
               trainer().best_epoch(), last.judged || !last.best ? "" : ", as it was then", ")");
  }

  // More of it does not help where most updates were lost; a loss scale is found in time.
  std::vector<std::string> skip_lines() const {
    const SkippedUpdates& skipped = trainer().skipped();
    const StepReport& latest = run_->latest();
    std::vector<std::string> lines;
    if (2 * skipped.diverged() > latest.step)
      lines.push_back(
          str("diverged: ", skipped.diverged(), " of ", latest.step, " updates were lost"));
    else if (2 * skipped.no_samples > latest.step)
      lines.push_back(str(skipped.no_samples, " of ", latest.step, " updates were lost"));
    else if (latest.skipped == latest.step)
      lines.push_back("nothing was learned: no update was made");
    else
      return lines;
    for (const std::string& line : trainer().skip_lines()) lines.push_back(str("  ", line));
    return lines;
  }

  bool draws() const {
    return run_->recipe().data.task == Task::reconstruction && can_be_drawn(run_->outline());
  }

  // What a run leaves is of use only if it can be read.
  void read_back() {
    const RunFolder written = RunFolder::open(run_->folder().path());
    read_recipe(written.recipe());
    load_model(written.model(), *run_->model().graph);
    ADJOINT_CHECK(load_statistics(written.model()) == run_->statistics(), written.model().string(),
                  ": normalises data by other numbers than it was written with");
    progress_.print(str("all parts ran: one update, ",
                        run_->latest().skipped > 0 ? "skipped, " : "",
                        run_->validates() ? "validation, " : "no validation (none is set aside), ",
                        "test, files written and read back; nothing is kept"));
  }

  std::string closing_lines() const {
    const std::string folder = run_->folder().path().string();
    const std::string& recipe = command_.choice.recipe;
    const std::string adjoint = "  " + called_as() + " ";
    std::string data;
    if (!command_.choice.data.empty()) data = " --data " + command_.choice.data.string();
    // summary and bench look at the files, too, and take no --data.
    const std::string table = run_->recipe().data.folder.empty()
                                  ? std::string()
                                  : " --set data.folder=" + run_->recipe().data.folder;
    return str(
        "\nfiles in ", folder, "\n",  //
        "  recipe.toml         the recipe with every default filled in\n",
        "  metrics.csv         loss ", classifies() ? "and accuracy, " : "", "every ",
        TrainingRun::kRowSteps, " updates and epoch\n",
        "  model.safetensors   the model, as it was best\n",
        "  last.safetensors    the model and the optimizer, as they ended, for --resume\n",
        "  engines.json        which engine multiplied which matrices\n",
        draws() ? "  reconstructions.png ten test samples and what the model made of them\n" : "",
        "  log.txt             what was said here\n",
        "what to try next\n",                                                   //
        completed_ ? "" : str(adjoint, "train --resume ", folder, data, "\n"),  //
        adjoint, "eval ", folder, data, "\n",                                   //
        adjoint, "predict ", folder,
        run_->outline().type == DType::uint8 ? " FILE.png\n" : " FILE.csv\n",  //
        adjoint, "train ", recipe, data, " --set optim.lr=", run_->recipe().optim.lr * 0.5,
        "\n",                                      //
        adjoint, "summary ", recipe, table, "\n",  //
        adjoint, "bench ", recipe, table);
  }

  TrainCommand command_;
  std::optional<TemporaryFolder> nowhere_;  // of a run that keeps nothing
  std::optional<TrainingRun> run_;
  Progress progress_;
  CsvSink rows_;
  LogSink log_;
  ProgressSink bar_{progress_};
  bool completed_ = false;
};

}  // namespace

int run_train(const TrainCommand& command) {
  return command.overfit > 0 ? run_overfit(command) : TrainProgram(command).run();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
