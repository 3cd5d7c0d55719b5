#include "core/train/loop/trainer.h"

#include <algorithm>
#include <cmath>
#include <concepts>
#include <limits>
#include <thread>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/train/judging/not_finite.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// `work` with the moving average, where there is one, in the place of the weights; they come back
// even if it throws.
template <std::invocable Work>
void on_average(Optimizer& optimizer, const Work& work) {
  if (!optimizer.has_average()) return work();
  optimizer.swap_average();
  try {
    work();
  } catch (...) {
    optimizer.swap_average();
    throw;
  }
  optimizer.swap_average();
}

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr ModelScore kUnranked{.loss = std::numeric_limits<double>::quiet_NaN()};

// Whether a model can be compared at all.
bool is_ranked(const ModelScore& score) {
  return score.loss > -kInfinity && !std::isnan(score.accuracy);
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

Trainer::Trainer(Model& model, Optimizer& optimizer, BatchSource& train, Evaluator* validation,
                 const TrainerOptions& options)
    : model_(model),
      optimizer_(optimizer),
      source_(train),
      validation_(validation),
      options_(options) {
  ADJOINT_CHECK(options.steps >= 1 && options.accumulate >= 1 && options.row_steps >= 1,
                "trainer: expected at least one step of at least one batch, got ", options.steps,
                " of ", options.accumulate);
  ADJOINT_CHECK(!observes_losses(optimizer.schedule()) || validation != nullptr,
                "trainer: a plateau schedule goes by the loss of validation samples, and there are "
                "none; set [data] validation above 0");
  check_inputs(source_, model_);
  check_targets(source_, model_);
  if (const std::string text = unreachable_targets(source_, model_); !text.empty())
    log_warning(text);
  prepare();
  watch_.emplace(model_.graph->slab(), optimizer_.options().groups);
}

// Engines for the last, smaller batch of an epoch are chosen now rather than in its midst.
void Trainer::prepare() {
  Graph& graph = *model_.graph;
  if (const std::int64_t rest = source_.count() % source_.batch()) graph.set_batch(rest);
  graph.set_batch(source_.batch());
  graph.context().set_training(true);
}

double Trainer::run_seconds() const { return seconds_before_ + seconds_since(begin_); }

void Trainer::resume(const RunState& state, Snapshot best) {
  const RunState mine = this->state();
  const auto expect_same = [](const char* what, auto before, auto now) {
    ADJOINT_CHECK(before == now, "trainer: the run had ", what, " ", before,
                  " and is to go on with ", now,
                  "; samples would come in another order, so start a new run instead");
  };
  expect_same("training samples:", state.samples, mine.samples);
  expect_same("a batch of", state.batch, mine.batch);
  expect_same("accumulate =", state.accumulate, mine.accumulate);
  expect_same("seed", state.seed, mine.seed);
  ADJOINT_CHECK(state.step < options_.steps, "trainer: all ", options_.steps,
                " updates of the run were made; to train on, ask for more");
  if (state.step > 0) watch_.reset();
  epoch_ = state.epoch;
  epoch_taken_ = state.batches;
  epoch_sums_ = state.sums;
  row_sums_ = state.row_sums;
  updates_queued_ = latest_.step = state.step;
  latest_.skipped = state.skipped;
  latest_.seconds = seconds_before_ = state.seconds;
  best_ = std::move(best);
  kept_epoch_ = best_epoch_ = state.best_epoch;
  best_validation_ = state.best;
}

RunState Trainer::state() const {
  return {.samples = source_.count(),
          .batch = source_.batch(),
          .accumulate = options_.accumulate,
          .seed = source_.seed(),
          .epoch = epoch_,
          .batches = epoch_taken_,
          .step = latest_.step,
          .skipped = latest_.skipped,
          .seconds = latest_.seconds,
          .sums = epoch_sums_,
          .row_sums = row_sums_,
          .best_epoch = best_epoch_,
          .best = best_validation_};
}

std::vector<std::string> Trainer::step_operations() const {
  return steps_.operations({source_.batch(), true, options_.accumulate == 1});
}

void Trainer::batch(bool first_of_update, bool last_of_update) {
  Graph& graph = *model_.graph;
  const std::int64_t size = source_.next_size();
  source_.advance();
  graph.set_batch(size);
  graph.set_accumulating(!first_of_update);
  graph.set_last_of_update(last_of_update);
  steps_.run(graph.context().stream(), {size, first_of_update, last_of_update}, [&] {
    gather_batch(source_, model_);
    graph.forward();
    graph.backward();
    const Tensor totals = graph.tensor(model_.totals);
    last_of_update ? optimizer_.step(totals) : optimizer_.accumulate(totals);
  });
  source_.batch_queued();
  events_[batches_queued_++ % kAhead].record(graph.context().stream());
}

bool Trainer::run() {
  begin_ = Clock::now();
  next_checkpoint_ = run_seconds() + options_.checkpoint_seconds;
  bool stopped = false;
  while (!stopped && updates_queued_ < options_.steps) stopped = run_epoch();
  return updates_queued_ == options_.steps;
}

// The rest of the epoch under way; whether the run is to stop.
bool Trainer::run_epoch() {
  epoch_begin_ = Clock::now();
  source_.begin_epoch(static_cast<std::uint64_t>(epoch_), epoch_taken_);
  bool stopped = false;
  while (!stopped && source_.next_size() > 0 && updates_queued_ < options_.steps) {
    Samples samples;
    for (std::int64_t micro = 0; micro < options_.accumulate && source_.next_size() > 0; ++micro) {
      stay_near_the_device();
      const bool last = micro + 1 == options_.accumulate || source_.next_size() == source_.left();
      samples.all += source_.next_size();
      samples.counted += next_counted(source_, model_);
      batch(micro == 0, last);
      ++epoch_taken_;
    }
    queued_samples_.push_back(samples);
    ++updates_queued_;
    read_metrics();
    if (watch_ && watch_->watching() && updates_queued_ <= kWatched) watch_gradients();
    // What is saved at an end that has yet to be judged would never be.
    if (source_.next_size() > 0 && updates_queued_ < options_.steps) checkpoint_if_due();
    stopped = options_.stop != nullptr && options_.stop->load(std::memory_order_relaxed);
  }
  model_.graph->context().stream().synchronize();
  read_metrics();
  const bool complete = source_.next_size() == 0;
  finish_epoch(seconds_since(epoch_begin_), complete);
  if (!complete) return stopped;
  ++epoch_;
  epoch_taken_ = 0;
  epoch_sums_ = {};
  checkpoint_if_due();
  return stopped;
}

void Trainer::checkpoint_if_due() {
  const double begin = run_seconds();
  if (!options_.on_checkpoint || begin < next_checkpoint_) return;
  model_.graph->context().stream().synchronize();
  read_metrics();
  options_.on_checkpoint();
  const double end = run_seconds();
  const double pause = (1 / options_.checkpoint_share - 1) * (end - begin);
  next_checkpoint_ = end + std::max(options_.checkpoint_seconds, pause);
}

// Asks rather than waits: asking is what lets deferred streams of the host go on, and a GPU is
// never without work meanwhile.
void Trainer::stay_near_the_device() {
  const Event& oldest = events_[batches_queued_ % kAhead];
  while (!oldest.passed()) std::this_thread::sleep_for(std::chrono::microseconds(50));
}

// While the gradient of the update just queued is still there. One that was skipped, or made at a
// rate of 0, says nothing.
void Trainer::watch_gradients() {
  Stream& stream = model_.graph->context().stream();
  stream.synchronize();
  read_metrics();
  if (latest_.step != updates_queued_) return;
  if (latest_.skipped == skipped_before_watch_ && latest_.learning_rate > 0) watch_->look(stream);
  skipped_before_watch_ = latest_.skipped;
}

// One record after the other, so that sums are the same however many are read at once.
void Trainer::read_metrics() {
  const std::vector<StepRecord> records = optimizer_.read_metrics();
  if (records.empty()) return;
  EpochSums sums;
  latest_.epoch = epoch_;
  latest_.steps = options_.steps;
  latest_.seconds = run_seconds();
  for (const StepRecord& record : records) {
    skipped_.count(record, optimizer_.options().scaling);
    epoch_skipped_.count(record, optimizer_.options().scaling);
    const EpochSums step = sums_of(record);
    sums += step;
    epoch_sums_ += step;
    row_sums_ += step;
    ++latest_.step;
    latest_.skipped += step.skipped;
    latest_.learning_rate = record.learning_rate;
    if (optimizer_.options().check_gradient) latest_.gradient_norm = record.gradient_norm;
    latest_.loss_scale = double(record.loss_scale);
    if (latest_.step % options_.row_steps != 0) continue;
    if (options_.on_row) options_.on_row(report_of(row_sums_));
    row_sums_ = {};
  }
  latest_.samples_per_second = samples_trained_ / (training_seconds_ + seconds_since(epoch_begin_));
  latest_ = report_of(sums);
  if (options_.on_step) options_.on_step(latest_);
}

// Of an update that was skipped only that: its loss may be no number.
EpochSums Trainer::sums_of(const StepRecord& record) {
  const Samples samples = take_queued_samples();
  if (record.skipped != 0) return {.updates = 1, .skipped = 1};
  samples_trained_ += double(samples.all);
  return {.loss = record.loss_sum,
          .valid = record.valid_count,
          .correct = record.correct_count,
          .samples = double(samples.counted),
          .updates = 1};
}

// The latest step's, with the means over these.
StepReport Trainer::report_of(const EpochSums& sums) const {
  StepReport report = latest_;
  report.loss = sums.loss / sums.valid;
  report.accuracy = accuracy_of(model_, sums.correct, sums.valid, sums.samples);
  return report;
}

// Of the oldest update whose record has not been read; none for batches of the caller's own.
Trainer::Samples Trainer::take_queued_samples() {
  if (queued_samples_.empty()) return {};
  const Samples samples = queued_samples_.front();
  queued_samples_.pop_front();
  return samples;
}

// 2: by its loss. 1: by its accuracy alone; a few samples that the model's type cannot take make
// the loss of a good classifier no number, and count as wrong. A model that makes no numbers any
// more is not that far from guessing. 0: by nothing.
int Trainer::rank_of(const ModelScore& score) const {
  if (is_ranked(score)) return 2;
  const double guessing = model_.classes > 0 ? 1.0 / model_.classes : 1.0;
  return score.accuracy > (1 + guessing) / 2 ? 1 : 0;
}

// Of a classifier accuracy decides, losses among equals; without classes there are losses alone.
// What is no number, or is infinite where less is better, is never better than anything that is.
bool Trainer::better(const ModelScore& found, const ModelScore& than) const {
  const int rank = rank_of(found), other = rank_of(than);
  if (rank != other || rank == 0) return rank > other;
  if (model_.classes > 0 && found.accuracy != than.accuracy) return found.accuracy > than.accuracy;
  return found.loss < than.loss;
}

void Trainer::finish_epoch(double seconds, bool complete) {
  training_seconds_ += seconds;
  verify_labels(model_, source_, static_cast<std::uint64_t>(epoch_));
  const EpochSums& sums = epoch_sums_;
  EpochReport report{.epoch = epoch_, .step = latest_.step, .epoch_seconds = seconds};
  report.train = {.loss = sums.loss / sums.valid,
                  .accuracy = accuracy_of(model_, sums.correct, sums.valid, sums.samples),
                  .count = static_cast<std::int64_t>(sums.samples)};
  report.skipped = latest_.skipped;
  report.complete = complete;
  report.judged = complete || updates_queued_ == options_.steps;
  explain_skips(report);
  if (std::string note = watch_ ? watch_->take_note() : ""; !note.empty())
    report.notes.push_back(std::move(note));
  judge(report);
  report.seconds = run_seconds();
  reports_.push_back(report);
  if (options_.on_epoch) options_.on_epoch(report);
}

// While a loss scale falls there may be epochs, of few updates, without any that was made.
// Nor is it to blame for data that no scale makes fit.
void Trainer::explain_skips(EpochReport& report) {
  const auto epoch = static_cast<std::uint64_t>(epoch_);
  if (epoch_skipped_.loss > 0 && why_loss_.empty())
    why_loss_ = why_not_finite(model_, source_, epoch);
  if (epoch_skipped_.total() > epoch_skipped_.no_samples && !unfit_)
    unfit_ = unfit_number(model_, source_, epoch);
  report.notes = skip_lines(epoch_skipped_);
  // Of those before the run was resumed the causes are not known.
  const bool all = report.complete && epoch_sums_.skipped == epoch_sums_.updates &&
                   epoch_sums_.skipped == epoch_skipped_.total();
  std::string causes;
  for (const std::string& line : report.notes) causes += "\n  " + line;
  const bool seeking = epoch_skipped_.loss_scale > 0 && unfit_.value_or("").empty();
  ADJOINT_CHECK(!all || seeking, "training: all ", epoch_sums_.updates, " updates of epoch ",
                epoch_, " were skipped:", causes);
  epoch_skipped_ = {};
}

std::vector<std::string> Trainer::skip_lines(const SkippedUpdates& skipped) const {
  std::vector<std::string> lines = adjoint::skip_lines(skipped, why_loss_);
  if (skipped.loss_scale + skipped.gradient > 0 && !unfit_.value_or("").empty())
    lines.push_back("no gradient is finite with such a number: " + *unfit_);
  return lines;
}

// A run that is stopped within an epoch and resumed is to learn, and to keep, what one that never
// stopped does: stopping decides nothing. Until the first decision its model is kept all the same,
// so that there is one.
void Trainer::judge(EpochReport& report) {
  judged_ = true;
  bool by_average = optimizer_.has_average();
  if (validation_ != nullptr) {
    by_average = validate(report);
    const ModelScore found{.loss = report.validation->loss,
                           .accuracy = report.validation->accuracy};
    if (report.complete) optimizer_.observe(found.loss);
    report.best = report.judged ? better(found, best_validation_.value_or(kUnranked))
                                : best_epoch_ == 0 && rank_of(found) > 0;
    if (report.judged && report.best) best_validation_ = found;
  } else {
    // Where no update was made the model is as good as it was.
    report.best = epoch_sums_.valid == 0 || !std::isnan(report.train.loss);
  }
  if (!report.best) return;
  const auto keep = [&] { best_ = take_snapshot(*model_.graph); };
  by_average ? on_average(optimizer_, keep) : keep();
  kept_epoch_ = epoch_;
  if (report.judged) best_epoch_ = epoch_;
}

// Judges the weights, and their moving average where there is one: whether the average is what
// counts, unless the weights are better. An average may be far behind.
bool Trainer::validate(EpochReport& report) {
  const auto score = [](const Evaluation& found) {
    return ModelScore{.loss = found.loss, .accuracy = found.accuracy};
  };
  Evaluation& found = report.validation.emplace(validation_->run());
  bool by_average = optimizer_.has_average();
  if (by_average) {
    Evaluation average;
    on_average(optimizer_, [&] { average = validation_->run(); });
    by_average = !better(score(found), score(average));
    if (by_average)
      found = average;
    else
      report.notes.push_back(str(
          "the weights are better than their moving average, and count; validation of the "
          "average: ",
          model_.classes > 0 ? str("accuracy ", std::round(1e4 * average.accuracy) / 100, " %, ")
                             : "",
          "loss ", average.loss));
  }
  if (!is_ranked(score(found))) {
    if (found.count == 0)
      why_validation_ = "no sample counts, all have the label that is ignored";
    else if (why_validation_.empty())
      why_validation_ = why_not_finite(model_, validation_->source(), 0);
    report.notes.push_back(
        str("the validation loss is ", kind_of_loss(found.loss), ": ", why_validation_));
  }
  return by_average;
}

void Trainer::require_best() const {
  ADJOINT_CHECK(!best_.empty() || !judged_, "training: no model is the best, because none had a ",
                validation_ != nullptr ? "validation loss" : "loss", " that is a number",
                why_validation_.empty() ? "" : ": ", why_validation_);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
