// adjoint train: a recipe, a run folder, a progress bar, and what to do next.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/data/loader/loader.h"
#include "core/samples/recipe_data.h"
#include "core/train/files/engine_choices.h"
#include "core/train/files/outline.h"
#include "core/train/files/run_folder.h"
#include "core/train/judging/not_finite.h"
#include "core/train/judging/reconstructions.h"
#include "core/train/loop/trainer.h"
#include "core/train/recipe/recipe_tables.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/temporary_folder.h"
#include "tools/progress/progress.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

constexpr std::int64_t kStepsBetweenRows = 50;

// Nothing where no update was made, or what was met is no number.
std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "-";
  char text[32];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

std::string percent(double fraction) { return fixed(100 * fraction, 2) + " %"; }

std::string run_name(const Recipe& recipe) {
  return std::filesystem::path(recipe.name).stem().string();
}

std::shared_ptr<const Dataset> shared(Dataset data) {
  return std::make_shared<const Dataset>(std::move(data));
}

// Whether the loss's weights are yet to be measured.
bool balances_classes(const LayerRecipe& loss) {
  return std::ranges::any_of(loss.options.items(), [](const Options::Item& item) {
    return item.key == "class_weights" && std::holds_alternative<std::string>(item.value);
  });
}

// Said only where losses are scaled: in float16.
std::optional<double> loss_scale(const StepReport& step) {
  return step.loss_scale != 1 ? std::optional(step.loss_scale) : std::nullopt;
}

// Everything of one run, from the recipe to its files.
class TrainRun {
 public:
  explicit TrainRun(const TrainCommand& command)
      : command_(command),
        folder_(earlier_run(command_)),
        recipe_(read_choice(command_.choice)),
        context_({.seed = recipe_.train.seed}) {
    if (!command.fast_dev_run) return;
    recipe_.train.epochs.reset();
    recipe_.train.steps = 1;
    command_.out = nowhere_.emplace().path() / "run";
  }

  int run() {
    if (resumes()) read_earlier_run();
    choose_engines(context_, command_.engines);
    // Before the data, where these are known: mistakes in a recipe should not have to wait for
    // them.
    if (outline_is_known(recipe_.data) && !balances_classes(recipe_.loss)) {
      model_ = build_model(context_, recipe_, model_options(data_outline(recipe_.data)));
      load_data();
    } else {
      load_data();
      model_ = build_model(context_, recipe_, model_options(outline_));
    }
    steps_ = total_updates(recipe_, train_->count());
    optimizer_ = build_optimizer(context_, recipe_, *model_.graph, steps_);
    make_trainer();
    open_folder();
    announce();
    train();
    report();
    return 0;
  }

 private:
  bool resumes() const { return !command_.resume.empty(); }

  // The run's folder where one is resumed; its recipe is then the command's.
  static std::optional<RunFolder> earlier_run(TrainCommand& command) {
    if (command.resume.empty()) return std::nullopt;
    RunFolder folder = RunFolder::resume(command.resume);
    command.choice.recipe = folder.recipe().string();
    return folder;
  }

  void read_earlier_run() {
    earlier_ = SafetensorsFile::read(folder_->last());
    state_before_ = read_run_state(earlier_->metadata(), earlier_->name());
    recipe_.data.feature_names = trained_features(*earlier_);
    if (std::filesystem::exists(folder_->engines()))
      if (!restore_engine_choices(folder_->engines(), context_))
        log_warning(
            "another device, or another version of its library, trained this run so far: the last "
            "digits will differ");
  }

  // Before anything of the earlier run is written over: what does not fit is to lose nothing.
  void resume() {
    ADJOINT_CHECK(state_before_.step < steps_, folder_->path().string(), ": all ", steps_,
                  " updates of the run were made; to train on, ask for more with --set "
                  "train.epochs=N, or with --steps N");
    ADJOINT_CHECK(load_statistics(*earlier_) == statistics_, earlier_->name(),
                  ": its data were normalised by other numbers than these; expected the data that "
                  "the run began with, in the same --data folder");
    Snapshot best;
    if (state_before_.best_epoch > 0 && !std::filesystem::exists(folder_->model())) {
      log_warning(folder_->model().string(), " is gone, the best model so far, of epoch ",
                  state_before_.best_epoch, "; it will be the best from here on");
      state_before_.best_epoch = 0;
      state_before_.best.reset();
    }
    if (state_before_.best_epoch > 0) {
      load_model(folder_->model(), *model_.graph);
      best = take_snapshot(*model_.graph);
    }
    load_training(*earlier_, *model_.graph, *optimizer_);
    trainer_->resume(state_before_, std::move(best));
    earlier_.reset();
  }

  void load_data() {
    RecipeData data = load_recipe_data(recipe_.data, command_.choice.data, loss_targets(recipe_));
    resolve_class_weights(recipe_.loss.options, data.train);
    statistics_ = data.statistics;
    notices_ = std::move(data.notices);
    if (command_.fast_dev_run) {
      data.validation = first_samples(data.validation, recipe_.train.batch);
      data.test = first_samples(data.test, recipe_.train.batch);
    }
    outline_ = {.type = data.train.type,
                .sample = data.train.sample,
                .feature_names = data.train.feature_names,
                .classes = data.train.classes,
                .class_names = data.train.class_names,
                .outputs = data.train.outputs};
    data_line_ = str(recipe_.data.name, ", ", data.train.count, " training, ",
                     data.validation.count, " validation and ", data.test.count, " test samples");
    LoaderOptions training = loader_options(true);
    if (recipe_.data.balanced_sampling) training.weights = balanced_sample_weights(data.train);
    train_ = std::make_unique<Loader>(context_, shared(std::move(data.train)), training);
    if (data.validation.count > 0)
      validation_ = std::make_unique<Loader>(context_, shared(std::move(data.validation)),
                                             loader_options(false));
    test_ = std::make_unique<Loader>(context_, shared(std::move(data.test)), loader_options(false));
  }

  LoaderOptions loader_options(bool shuffle) const {
    return {.batch = recipe_.train.batch,
            .seed = recipe_.train.seed,
            .shuffle = shuffle,
            .pixels = pixel_scale(statistics_)};
  }

  // Only once data and model are known to be good: a mistake leaves no empty folder behind.
  void open_folder() {
    if (resumes()) {
      metrics_ = std::make_unique<MetricsFile>(folder_->metrics(), state_before_.step);
    } else {
      folder_ = RunFolder::create(
          {.out = command_.out, .name = run_name(recipe_), .overwrite = command_.overwrite});
      folder_->clear();
      metrics_ = std::make_unique<MetricsFile>(folder_->metrics());
    }
    write_file_atomically(folder_->recipe(), std::string_view(to_toml(recipe_)));
    log_to_file(folder_->log(), LogLevel::info);
  }

  void announce() {
    std::int64_t parameters = 0;
    for (const Parameter& parameter : model_.graph->parameters()) parameters += parameter.count();
    for (const std::string& notice : model_.graph->notices()) log_info("warning: ", notice);
    say(str("data    ", data_line_));
    for (const std::string& notice : notices_) say(str("note    ", notice));
    const std::string name = resumes() ? folder_->path().filename().string() : run_name(recipe_);
    say(str("model   ", name, ", ", parameters, " parameters"));
    say(str("device  ", device_line(), ", ", human_bytes(context_.memory().use().current),
            " of memory"));
    say(str(
        "run     ", folder_->path().string(),
        resumes() ? str(", resumed after ", state_before_.step, " of ", steps_, " updates") : ""));
  }

  bool classifies() const { return model_.classes > 0; }
  std::optional<double> accuracy(double value) const {
    return classifies() ? std::optional(value) : std::nullopt;
  }

  // Into the log, and shown unless --quiet.
  void say(const std::string& line) {
    log_info(line);
    if (!command_.quiet) progress_.print(line);
  }

  void make_trainer() {
    if (validation_)
      evaluator_ = std::make_unique<Evaluator>(model_, *validation_, statistics_.target);
    trainer_ = std::make_unique<Trainer>(
        model_, *optimizer_, *train_, evaluator_.get(),
        TrainerOptions{.steps = steps_,
                       .accumulate = recipe_.optim.accumulate,
                       .stop = &stop_flag(),
                       .on_step = [this](const StepReport& step) { on_step(step); },
                       .on_row = [this](const StepReport& step) { on_row(step); },
                       .row_steps = kStepsBetweenRows,
                       .on_epoch = [this](const EpochReport& epoch) { on_epoch(epoch); },
                       .on_checkpoint = [this] { save_last(); }});
    if (resumes()) resume();
  }

  void train() {
    catch_interrupts();
    completed_ = trainer_->run();
    progress_.finish();
    save_last();
    trainer_->require_best();
  }

  void on_step(const StepReport& step) {
    latest_ = step;
    const double weight = smoothed_steps_ == 0 ? 1.0 : 0.1;
    ++smoothed_steps_;
    state_.loss += weight * (step.loss - state_.loss);
    if (classifies()) {
      const double before = state_.accuracy.value_or(0);
      state_.accuracy = before + weight * (step.accuracy - before);
    }
    const std::int64_t per_epoch = updates_per_epoch(recipe_, train_->count());
    state_.epochs = (steps_ + per_epoch - 1) / per_epoch;
    state_.epoch = step.epoch;
    state_.step = step.step;
    state_.steps = step.steps;
    state_.loss_scale = loss_scale(step);
    state_.samples_per_second = step.samples_per_second;
    state_.seconds_left = step.seconds / double(step.step) * double(step.steps - step.step);
    if (!command_.quiet) progress_.update(state_);
  }

  void on_row(const StepReport& step) {
    metrics_->add({.epoch = step.epoch,
                   .step = step.step,
                   .seconds = step.seconds,
                   .train_loss = step.loss,
                   .train_accuracy = accuracy(step.accuracy),
                   .learning_rate = step.learning_rate,
                   .gradient_norm = step.gradient_norm,
                   .skipped = step.skipped,
                   .loss_scale = loss_scale(step)});
  }

  void on_epoch(const EpochReport& epoch) {
    MetricsRow row{.epoch = epoch.epoch,
                   .step = epoch.step,
                   .seconds = epoch.seconds,
                   .train_loss = epoch.train.loss,
                   .train_accuracy = accuracy(epoch.train.accuracy),
                   .learning_rate = latest_.learning_rate,
                   .gradient_norm = latest_.gradient_norm,
                   .skipped = epoch.skipped,
                   .loss_scale = loss_scale(latest_)};
    std::string line =
        str("epoch ", epoch.epoch, "/", state_.epochs, "  loss ", fixed(epoch.train.loss, 4));
    if (classifies()) line += str("  accuracy ", percent(epoch.train.accuracy));
    if (epoch.validation) {
      row.validation_loss = epoch.validation->loss;
      row.validation_accuracy = accuracy(epoch.validation->accuracy);
      line += str("  validation ", classifies() ? percent(epoch.validation->accuracy)
                                                : result_text(model_, *epoch.validation));
    }
    line += str("  ", fixed(epoch.epoch_seconds, 2), " s");
    if (epoch.skipped > 0) line += str("  ", epoch.skipped, " updates skipped so far");
    if (epoch.judged && epoch.best && epoch.validation) line += "  best";
    if (!epoch.judged) line += "  stopped within the epoch";
    say(line);
    for (const std::string& note : epoch.notes) say("  " + note);
    if (epoch.judged) metrics_->add(row);
    metrics_->write();
    if (epoch.best)
      save_model(folder_->model(), trainer_->best(), metadata(epoch.epoch), statistics_);
  }

  SafetensorsMetadata metadata(std::int64_t epoch) const {
    SafetensorsMetadata metadata = outline_metadata(outline_);
    metadata["epoch"] = std::to_string(epoch);
    if (!outline_.class_names.empty()) metadata["classes"] = toml_text(outline_.class_names);
    return metadata;
  }

  // Rows first: a run that is resumed drops those behind its state, and cannot make up for those
  // that are missing.
  void save_last() {
    metrics_->write();
    SafetensorsMetadata metadata = this->metadata(latest_.epoch);
    add_metadata(metadata, trainer_->state());
    save_model(folder_->last(), take_snapshot(*model_.graph, *optimizer_), metadata, statistics_);
    save_engine_choices(folder_->engines(), context_);
  }

  void report() {
    restore_snapshot(*model_.graph, trainer_->best());
    const Evaluation test = Evaluator(model_, *test_, statistics_.target).run();
    const double seconds = trainer_->epochs().back().seconds;
    std::vector<std::string> lines = skip_lines();
    if (!std::isfinite(test.loss))
      lines.push_back(str("the test loss is ", kind_of_loss(test.loss), ": ",
                          why_not_finite(model_, *test_, 0)));
    if (!completed_)
      lines.push_back(str("stopped after ", latest_.step, " of ", steps_,
                          " updates; what was learned is saved"));
    lines.push_back(str(
        "test ", result_text(model_, test), " on ", test.count, " unseen samples",
        classifies() || !test.r_squared.empty() ? ", loss " + fixed(test.loss, 4) : "", ", after ",
        human_duration(seconds), " of training (model of epoch ", trainer_->best_epoch(),
        trainer_->epochs().back().judged || !trainer_->epochs().back().best ? ""
                                                                            : ", as it was then",
        ")"));
    for (const std::string& line : lines) {
      log_info(line);
      progress_.print(line);
    }
    if (draws())
      draw_reconstructions(folder_->reconstructions(), model_, *test_, outline_.sample,
                           pixel_scale(statistics_));
    if (command_.fast_dev_run)
      read_back();
    else
      progress_.print(closing_lines());
    stop_logging();
  }

  // More of it does not help where most updates were lost; a loss scale is found in time.
  std::vector<std::string> skip_lines() const {
    const SkippedUpdates& skipped = trainer_->skipped();
    std::vector<std::string> lines;
    if (2 * skipped.diverged() > latest_.step)
      lines.push_back(
          str("diverged: ", skipped.diverged(), " of ", latest_.step, " updates were lost"));
    else if (2 * skipped.no_samples > latest_.step)
      lines.push_back(str(skipped.no_samples, " of ", latest_.step, " updates were lost"));
    else if (latest_.skipped == latest_.step)
      lines.push_back("nothing was learned: no update was made");
    else
      return lines;
    for (const std::string& line : trainer_->skip_lines()) lines.push_back("  " + line);
    return lines;
  }

  bool draws() const { return recipe_.data.task == Task::reconstruction && can_be_drawn(outline_); }

  // What a run leaves is of use only if it can be read.
  void read_back() {
    const RunFolder written = RunFolder::open(folder_->path());
    read_recipe(written.recipe());
    load_model(written.model(), *model_.graph);
    ADJOINT_CHECK(load_statistics(written.model()) == statistics_, written.model().string(),
                  ": normalises data by other numbers than it was written with");
    progress_.print(str("all parts ran: one update, ", latest_.skipped > 0 ? "skipped, " : "",
                        validation_ ? "validation, " : "no validation (none is set aside), ",
                        "test, files written and read back; nothing is kept"));
  }

  std::string closing_lines() const {
    const std::string folder = folder_->path().string();
    const std::string& recipe = command_.choice.recipe;
    const std::string adjoint = "  " + called_as() + " ";
    std::string data;
    if (!command_.choice.data.empty()) data = " --data " + command_.choice.data.string();
    // summary and bench look at the files, too, and take no --data.
    const std::string table =
        recipe_.data.folder.empty() ? std::string() : " --set data.folder=" + recipe_.data.folder;
    return str(
        "\nfiles in ", folder, "\n",  //
        "  recipe.toml         the recipe with every default filled in\n",
        "  metrics.csv         loss ", classifies() ? "and accuracy, " : "", "every ",
        kStepsBetweenRows, " updates and epoch\n",
        "  model.safetensors   the model, as it was best\n",
        "  last.safetensors    the model and the optimizer, as they ended, for --resume\n",
        "  engines.json        which engine multiplied which matrices\n",
        draws() ? "  reconstructions.png ten test samples and what the model made of them\n" : "",
        "  log.txt             what was said here\n",
        "what to try next\n",                                                   //
        completed_ ? "" : str(adjoint, "train --resume ", folder, data, "\n"),  //
        adjoint, "eval ", folder, data, "\n",                                   //
        adjoint, "predict ", folder,
        outline_.type == DType::uint8 ? " FILE.png\n" : " FILE.csv\n",                      //
        adjoint, "train ", recipe, data, " --set optim.lr=", recipe_.optim.lr * 0.5, "\n",  //
        adjoint, "summary ", recipe, table, "\n",                                           //
        adjoint, "bench ", recipe, table);
  }

  TrainCommand command_;
  std::optional<RunFolder> folder_;
  Recipe recipe_;
  std::optional<TemporaryFolder> nowhere_;  // of a run that keeps nothing
  Context context_;
  std::string data_line_;
  std::vector<std::string> notices_;  // of the data
  DataStatistics statistics_;
  Dataset outline_;  // of no samples
  std::unique_ptr<Loader> train_, validation_, test_;
  Model model_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Evaluator> evaluator_;
  std::unique_ptr<Trainer> trainer_;
  std::optional<SafetensorsFile> earlier_;  // while a run is being resumed
  RunState state_before_;
  std::unique_ptr<MetricsFile> metrics_;
  Progress progress_;
  ProgressState state_;
  StepReport latest_;
  std::int64_t steps_ = 0, smoothed_steps_ = 0;
  bool completed_ = false;
};

}  // namespace

int run_train(const TrainCommand& command) {
  return command.overfit > 0 ? run_overfit(command) : TrainRun(command).run();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
