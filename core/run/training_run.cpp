#include "core/run/training_run.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/base/error.h"
#include "core/base/files.h"
#include "core/base/log.h"
#include "core/train/files/engine_choices.h"
#include "core/train/files/outline.h"
#include "core/train/recipe/recipe_tables.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::shared_ptr<const Dataset> shared(Dataset data) {
  return std::make_shared<const Dataset>(std::move(data));
}

std::string run_name(const Recipe& recipe) {
  return std::filesystem::path(recipe.name).stem().string();
}

// Whether the loss's weights are yet to be measured.
bool balances_classes(const LossRecipe& loss) {
  return std::ranges::any_of(loss.options.items(), [](const Options::Item& item) {
    return item.key == "class_weights" && std::holds_alternative<std::string>(item.value);
  });
}

}  // namespace

TrainingRun::TrainingRun(Recipe recipe, const TrainingRunOptions& options)
    : recipe_(std::move(recipe)), options_(options), context_({.seed = recipe_.train.seed}) {
  if (resumes()) read_earlier_run();
  if (options_.choose_engines) options_.choose_engines(context_);
  // Before the data, where these are known: mistakes in a recipe should not have to wait for them.
  if (outline_is_known(recipe_.data) && !balances_classes(recipe_.losses[0])) {
    model_ = build_model(context_, recipe_, model_options(data_outline(recipe_.data)));
    load_data();
  } else {
    load_data();
    model_ = build_model(context_, recipe_, model_options(outline_));
  }
  facts_.steps = total_updates(recipe_, train_->count());
  optimizer_ = build_optimizer(context_, recipe_, *model_.graph, facts_.steps);
  make_trainer();
}

void TrainingRun::read_earlier_run() {
  folder_ = RunFolder::resume(options_.resume);
  earlier_ = SafetensorsFile::read(folder_->last());
  state_before_ = read_run_state(earlier_->metadata(), earlier_->name());
  recipe_.data.feature_names = trained_features(*earlier_);
  if (std::filesystem::exists(folder_->engines()))
    if (!restore_engine_choices(folder_->engines(), context_))
      log_warning(
          "another device, or another version of its library, trained this run so far: the last "
          "digits will differ");
}

void TrainingRun::load_data() {
  RecipeData data = load_recipe_data(recipe_.data, options_.data, loss_targets(recipe_));
  resolve_class_weights(recipe_.losses[0].options, data.train);
  statistics_ = data.statistics;
  facts_.notices = std::move(data.notices);
  if (options_.brief) {
    data.validation = first_samples(data.validation, recipe_.train.batch);
    data.test = first_samples(data.test, recipe_.train.batch);
  }
  outline_ = outline_of(data.train);
  facts_.data = str(recipe_.data.name, ", ", data.train.count, " training, ", data.validation.count,
                    " validation and ", data.test.count, " test samples");
  LoaderOptions training = loader_options(true);
  if (recipe_.data.balanced_sampling) training.weights = balanced_sample_weights(data.train);
  train_ = std::make_unique<Loader>(context_, shared(std::move(data.train)), training);
  if (data.validation.count > 0)
    validation_ = std::make_unique<Loader>(context_, shared(std::move(data.validation)),
                                           loader_options(false));
  test_ = std::make_unique<Loader>(context_, shared(std::move(data.test)), loader_options(false));
}

LoaderOptions TrainingRun::loader_options(bool shuffle) const {
  return {.batch = recipe_.train.batch,
          .seed = recipe_.train.seed,
          .shuffle = shuffle,
          .pixels = pixel_scale(statistics_)};
}

void TrainingRun::make_trainer() {
  if (validation_)
    evaluator_ = std::make_unique<Evaluator>(model_, *validation_, statistics_.target);
  trainer_ = std::make_unique<Trainer>(
      model_, *optimizer_, *train_, evaluator_.get(),
      TrainerOptions{
          .steps = facts_.steps,
          .accumulate = recipe_.optim.accumulate,
          .stop = options_.stop,
          .on_step =
              [this](const StepReport& step) {
                latest_ = step;
                tell([&](MetricSink& sink) { sink.step(step); });
              },
          .on_row =
              [this](const StepReport& step) { tell([&](MetricSink& sink) { sink.row(step); }); },
          .row_steps = kRowSteps,
          .on_epoch = [this](const EpochReport& epoch) { on_epoch(epoch); },
          .on_checkpoint = [this] { save_last(); }});
  if (resumes()) resume();
}

// Before anything of the earlier run is written over: what does not fit is to lose nothing.
void TrainingRun::resume() {
  ADJOINT_CHECK(state_before_.step < facts_.steps, folder_->path().string(), ": all ", facts_.steps,
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

bool TrainingRun::train() {
  open_folder();
  find_facts();
  tell([&](MetricSink& sink) { sink.begin(facts_); });
  const bool completed = trainer_->run();
  save_last();
  tell([](MetricSink& sink) { sink.finish(); });
  trainer_->require_best();
  return completed;
}

// Only once data and model are known to be good: a mistake leaves no empty folder behind.
void TrainingRun::open_folder() {
  if (!resumes()) {
    folder_ = RunFolder::create(
        {.out = options_.out, .name = run_name(recipe_), .overwrite = options_.overwrite});
    folder_->clear();
  }
  write_file_atomically(folder_->recipe(), std::string_view(to_toml(recipe_)));
  log_to_file(folder_->log(), LogLevel::info);
}

void TrainingRun::find_facts() {
  const std::int64_t per_epoch = updates_per_epoch(recipe_, train_->count());
  facts_.name = resumes() ? folder_->path().filename().string() : run_name(recipe_);
  facts_.folder = folder_->path();
  facts_.metrics = folder_->metrics();
  facts_.warnings = model_.graph->notices();
  for (const Parameter& parameter : model_.graph->parameters())
    facts_.parameters += parameter.count();
  facts_.memory_bytes = context_.memory().use().current;
  facts_.epochs = (facts_.steps + per_epoch - 1) / per_epoch;
  facts_.resumed = resumes();
  facts_.steps_before = state_before_.step;
  facts_.classifies = model_.classes > 0;
  facts_.measures = measure_names(model_);
  facts_.model = &model_;
}

void TrainingRun::on_epoch(const EpochReport& epoch) {
  tell([&](MetricSink& sink) { sink.epoch(epoch); });
  if (epoch.best)
    save_model(folder_->model(), trainer_->best(), metadata(epoch.epoch), statistics_);
}

// Rows first: a run that is resumed drops those behind its state, and cannot make up for those that
// are missing.
void TrainingRun::save_last() {
  tell([](MetricSink& sink) { sink.flush(); });
  SafetensorsMetadata metadata = this->metadata(latest_.epoch);
  add_metadata(metadata, trainer_->state());
  save_model(folder_->last(), take_snapshot(*model_.graph, *optimizer_), metadata, statistics_);
  save_engine_choices(folder_->engines(), context_);
}

SafetensorsMetadata TrainingRun::metadata(std::int64_t epoch) const {
  SafetensorsMetadata metadata = outline_metadata(outline_);
  metadata["epoch"] = std::to_string(epoch);
  if (!outline_.class_names.empty()) metadata["classes"] = toml_text(outline_.class_names);
  return metadata;
}

Evaluation TrainingRun::test() {
  restore_snapshot(*model_.graph, trainer_->best());
  return Evaluator(model_, *test_, statistics_.target).run();
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
