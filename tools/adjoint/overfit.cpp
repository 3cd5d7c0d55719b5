// adjoint train --overfit N: can the model learn a few samples by heart? If not, something is wrong
// that more data will not mend: the learning rate, the loss, the labels, a layer. Writes nothing.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "core/base/error.h"
#include "core/base/text.h"
#include "core/data/loader/loader.h"
#include "core/samples/recipe_data.h"
#include "core/train/judging/least_loss.h"
#include "core/train/judging/not_finite.h"
#include "core/train/judging/predictor.h"
#include "core/train/loop/trainer.h"
#include "tools/adjoint/commands.h"
#include "tools/adjoint/table.h"
#include "tools/progress/progress.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Between two looks at what has been learned.
constexpr std::int64_t kUpdatesBetween = 20;
// Of what the loss before training was above the least there is: so little is left where numbers,
// or a sample itself, are known by heart. Classes are known once all are right.
constexpr double kLearned = 0.01;

class OverfitRun {
 public:
  explicit OverfitRun(const TrainCommand& command)
      : command_(command),
        recipe_(read_choice(command.choice)),
        context_({.seed = recipe_.train.seed}) {
    // The first samples of all, not of what a validation set leaves.
    recipe_.data.validation = 0;
    recipe_.data.balanced_sampling = false;
  }

  int run() {
    choose_engines(context_, command_.engines);
    load();
    catch_interrupts();
    const Evaluation before = evaluator_->run();
    Evaluation found = before;
    std::int64_t updates = 0, shown = 0;
    while (updates < steps_ && !learned(found, before) && !stop_flag().load()) {
      updates += train(std::min(kUpdatesBetween, steps_ - updates));
      found = evaluator_->run();
      if (command_.quiet || updates < 2 * shown) continue;
      shown = updates;
      print(str("update ", updates), found);
    }
    return report(found, before, updates);
  }

 private:
  void load() {
    RecipeData data = load_recipe_data(recipe_.data, command_.choice.data, loss_targets(recipe_));
    resolve_class_weights(recipe_.losses[0].options, data.train);
    // As many updates as the recipe would make of all its samples.
    steps_ = total_updates(recipe_, data.train.count);
    auto few = std::make_shared<const Dataset>(first_samples(data.train, command_.overfit));
    model_ = build_model(context_, recipe_, model_options(*few));
    const LoaderOptions options{.batch = recipe_.train.batch,
                                .seed = recipe_.train.seed,
                                .shuffle = false,
                                .pixels = pixel_scale(data.statistics)};
    loader_ = std::make_unique<Loader>(context_, few, options);
    evaluated_ = std::make_unique<Loader>(context_, few, options);
    optimizer_ = build_optimizer(context_, recipe_, *model_.graph, steps_);
    trainer_ = std::make_unique<Trainer>(model_, *optimizer_, *loader_, nullptr,
                                         TrainerOptions{.steps = steps_});
    evaluator_ = std::make_unique<Evaluator>(model_, *evaluated_, data.statistics.target);
    least_ = least_loss_of(*few, data.statistics);
    std::printf("data    the first %lld samples of %s, again and again\n",
                static_cast<long long>(few->count), data.train.name.c_str());
    for (const std::string& notice : data.notices) std::printf("note    %s\n", notice.c_str());
    std::printf("device  %s\n", device_line().c_str());
    std::fflush(stdout);
  }

  // Each batch an update, over and over through the samples; accumulating would only be slower.
  std::int64_t train(std::int64_t updates) {
    for (std::int64_t i = 0; i < updates; ++i) {
      if (epoch_ == 0 || loader_->next_size() == 0) loader_->begin_epoch(++epoch_);
      trainer_->batch(true, true);
      for (const StepRecord& record : optimizer_->read_metrics())
        skipped_.count(record, optimizer_->options().scaling);
    }
    return updates;
  }

  // At least what float32 rounds the least to.
  double nearly_none(const Evaluation& before) const {
    return std::max(kLearned * (before.loss - least_), 1e-6 * std::abs(least_));
  }
  bool learned(const Evaluation& found, const Evaluation& before) const {
    if (!std::isfinite(found.loss)) return false;
    if (model_.classes > 0) return found.accuracy == 1.0;
    return std::abs(found.loss - least_) <= nearly_none(before);
  }
  // Less than can be: the loss is given what it is not made for.
  bool impossible(const Evaluation& found, const Evaluation& before) const {
    return model_.classes == 0 && found.loss < least_ - nearly_none(before);
  }

  double least_loss_of(const Dataset& few, const DataStatistics& statistics) {
    if (few.classes > 0) return 0;
    std::vector<float> targets = few.outputs > 0 ? few.targets : few.features;
    for (std::int64_t i = 0; i < few.count && few.type == DType::uint8 && few.outputs == 0; ++i)
      std::ranges::copy(model_input(few, i, statistics), std::back_inserter(targets));
    return least_loss(context_, recipe_, targets, few.count, model_.prediction.shape()[-1]);
  }

  void print(const std::string& when, const Evaluation& found) const {
    std::printf("%s  %s%s\n", when.c_str(), result_text(model_, found).c_str(),
                loss_text(found).c_str());
    std::fflush(stdout);
  }

  // Where the result is not the loss itself.
  std::string loss_text(const Evaluation& found) const {
    const bool itself = model_.classes == 0 && found.r_squared.empty();
    return itself ? std::string() : formatted(", loss %.4g", found.loss);
  }

  int report(const Evaluation& found, const Evaluation& before, std::int64_t updates) {
    const bool done = learned(found, before);
    const std::string least =
        std::abs(least_) > 1e-6 ? formatted(", %.4g at the least", least_) : std::string();
    std::printf("%s after %lld of %lld updates: %s%s (loss %.4g before%s)\n",
                done          ? "memorised"
                : stop_flag() ? "stopped, not memorised"
                              : "not memorised",
                static_cast<long long>(updates), static_cast<long long>(steps_),
                result_text(model_, found).c_str(), loss_text(found).c_str(), before.loss,
                least.c_str());
    if (done) {
      std::printf("the model can learn %lld samples by heart: data, model and optimizer work\n",
                  static_cast<long long>(evaluated_->count()));
      return 0;
    }
    if (impossible(found, before)) {
      std::printf("the loss is below the least there is: the model does not make what %s is for\n",
                  recipe_.losses[0].type.c_str());
      return 1;
    }
    const std::string why = skipped_.loss > 0 ? why_not_finite(model_, *evaluated_, 0) : "";
    for (const std::string& line : skip_lines(skipped_, why)) std::printf("%s\n", line.c_str());
    std::printf(
        "it should: try another [optim] lr, more updates (--steps), a wider model, no dropout or "
        "weight_decay; look whether labels are right and inputs differ\n");
    return 1;
  }

  TrainCommand command_;
  Recipe recipe_;
  Context context_;
  Model model_;
  std::unique_ptr<Loader> loader_, evaluated_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<Trainer> trainer_;
  std::unique_ptr<Evaluator> evaluator_;
  SkippedUpdates skipped_;
  std::int64_t steps_ = 0;
  double least_ = 0;  // the loss can be
  std::uint64_t epoch_ = 0;
};

}  // namespace

int run_overfit(const TrainCommand& command) { return OverfitRun(command).run(); }

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
