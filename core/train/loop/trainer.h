// Trainer: epochs or steps over a data set, validation after each epoch, the best model kept.
//
// A step - gather, forward, backward, update - is captured once per batch shape and replayed. The
// thread that trains never waits for the device within an epoch, but after the first few updates of
// a run (GradientWatch): it keeps a few steps ahead of it, and reads what they measured from memory
// that the device writes.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "core/train/files/model_file.h"
#include "core/train/judging/evaluator.h"
#include "core/train/loop/gradient_watch.h"
#include "core/train/loop/run_state.h"
#include "core/train/loop/skipped_updates.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What is known in the middle of an epoch, of steps that have run.
struct StepReport {
  std::int64_t epoch = 0;  ///< from 1
  std::int64_t step = 0;   ///< updates run, from 1, skipped ones included
  std::int64_t steps = 0;  ///< updates that the whole run will make
  double seconds = 0;      ///< of the run, those before it was resumed included
  double loss = 0;         ///< of the steps since the last report, mean over samples
  double accuracy = 0;     ///< likewise; 0 without classes
  double learning_rate = 0;
  std::optional<double> gradient_norm = {};  ///< unless it is not checked
  double loss_scale = 1;                     ///< of the last step
  double samples_per_second = 0;  ///< of training, since run() began, validation not counted
  std::int64_t skipped = 0;       ///< updates not made because a gradient was not finite, so far
};

struct EpochReport {
  std::int64_t epoch = 0;
  std::int64_t step = 0;
  double seconds = 0;        ///< as above
  double epoch_seconds = 0;  ///< of its training, without validation; since run() began
  Evaluation train;          ///< as met during the epoch, while the model changed
  std::optional<Evaluation> validation;
  std::int64_t skipped = 0;
  /// best() is this model: the best so far by validation; without validation, the latest. Where the
  /// run is stopped within its first epoch, for want of another. Never one whose loss is no number.
  bool best = false;
  bool complete = false;  ///< the epoch came to its end
  /// So did the epoch, or the run. Otherwise, stopped within an epoch, the run has decided nothing
  /// here: resumed, it does what one that never stopped does.
  bool judged = false;
  /// What the user should know, a line each: updates skipped and why, parameters that learn nothing
  /// (GradientWatch), losses that are no numbers.
  std::vector<std::string> notes = {};
};

struct TrainerOptions {
  std::int64_t steps = 0;       ///< updates to make
  std::int64_t accumulate = 1;  ///< batches per update
  /// Looked at between steps; once true, the run ends as if this step had been the last.
  const std::atomic<bool>* stop = nullptr;
  /// Called from the training thread after steps have run; they must not wait for the device.
  std::function<void(const StepReport&)> on_step = {};
  /// Called likewise after every row_steps updates, with loss and accuracy over these: the same
  /// reports, but for their times, however fast steps are read and wherever a run was resumed.
  std::function<void(const StepReport&)> on_row = {};
  std::int64_t row_steps = 50;
  std::function<void(const EpochReport&)> on_epoch = {};
  /// Called between updates, when all that was queued has run, so that the run can be saved: model,
  /// optimizer and state(). Every checkpoint_seconds, and so seldom that it takes no more than
  /// checkpoint_share of the time.
  std::function<void()> on_checkpoint = {};
  double checkpoint_seconds = 30;
  double checkpoint_share = 0.05;  ///< in (0, 1]
};

class Trainer {
 public:
  /// All must outlive it. `validation` may be null.
  Trainer(Model& model, Optimizer& optimizer, BatchSource& train, Evaluator* validation,
          const TrainerOptions& options);

  /// Before run(): goes on where another run stood, whose model, optimizer and context's step were
  /// loaded (load_training); `best` is its best model so far. Throws Error where this run takes
  /// other samples, or the same in another order, and where nothing is left to do.
  void resume(const RunState& state, Snapshot best);

  /// Trains to the end or until stopped; returns whether it came to the end. The model is then the
  /// last; best() is the best. Throws Error for a label that is no class, and when every update of
  /// an epoch was skipped, unless it was to find the loss scale.
  bool run();
  /// Throws Error, saying why, if models were judged and none had a loss that is a number, so that
  /// none is the best.
  void require_best() const;
  /// Updates that were skipped since this trainer was made, and why in lines.
  const SkippedUpdates& skipped() const { return skipped_; }
  std::vector<std::string> skip_lines() const { return skip_lines(skipped_); }

  /// Where the run stands: in on_checkpoint and after run().
  RunState state() const;

  /// Snapshot of the model at the best epoch, or of a run that was stopped before one ended, as it
  /// was then; empty before either.
  const Snapshot& best() const { return best_; }
  std::int64_t best_epoch() const { return kept_epoch_; }
  const std::vector<EpochReport>& epochs() const { return reports_; }
  /// What one step of the full batch puts on the stream, once it has been captured.
  std::vector<std::string> step_operations() const;

  /// One batch: gathers, runs forward and backward, and updates if it is the last of its update.
  /// What run() is made of, for benchmarks and tests; begin_epoch() of the source comes before.
  void batch(bool first_of_update, bool last_of_update);

 private:
  using Clock = std::chrono::steady_clock;
  // How far the host may be ahead of the device, in batches: enough to hide its own work, and few
  // enough to stop soon.
  static constexpr std::size_t kAhead = 16;
  // Updates of a run after which gradients are not watched any more, however many were made.
  static constexpr std::int64_t kWatched = 100;

  struct Form {
    std::int64_t size;
    bool first, last;
    // The 0 that clang-tidy sees is of the ordering's type.  NOLINTNEXTLINE(modernize-use-nullptr)
    auto operator<=>(const Form&) const = default;
  };

  // Of one update: put through the model, and of these what counts.
  struct Samples {
    std::int64_t all = 0, counted = 0;
  };

  void prepare();
  bool run_epoch();
  void stay_near_the_device();
  void watch_gradients();
  void read_metrics();
  void finish_epoch(double seconds, bool complete);
  void explain_skips(EpochReport& report);
  std::vector<std::string> skip_lines(const SkippedUpdates& skipped) const;
  void judge(EpochReport& report);
  EpochSums sums_of(const StepRecord& record);
  StepReport report_of(const EpochSums& sums) const;
  bool validate(EpochReport& report);
  void checkpoint_if_due();
  Samples take_queued_samples();
  int rank_of(const ModelScore& score) const;
  bool better(const ModelScore& found, const ModelScore& than) const;
  double run_seconds() const;

  Model& model_;
  Optimizer& optimizer_;
  BatchSource& source_;
  Evaluator* validation_;
  TrainerOptions options_;

  ReplayCache<Form> steps_;
  std::vector<Event> events_{kAhead};
  std::size_t batches_queued_ = 0;
  std::int64_t updates_queued_ = 0;

  std::int64_t epoch_ = 1;        // under way
  std::int64_t epoch_taken_ = 0;  // batches of it
  EpochSums epoch_sums_;          // over the records read in it
  EpochSums row_sums_;            // over those since the last on_row
  StepReport latest_;
  SkippedUpdates skipped_, epoch_skipped_;
  std::optional<GradientWatch> watch_;  // of a run from its beginning
  std::int64_t skipped_before_watch_ = 0;
  std::string why_loss_, why_validation_;  // not finite; looked for once, like
  std::optional<std::string> unfit_;       // data, once an update was skipped
  std::deque<Samples> queued_samples_;     // of each update whose record has not been read
  double samples_trained_ = 0;
  double training_seconds_ = 0;  // of the epochs before this one
  double seconds_before_ = 0;    // of the run that is resumed
  double next_checkpoint_ = 0;   // in seconds of the run
  Clock::time_point begin_, epoch_begin_;

  std::vector<EpochReport> reports_;
  Snapshot best_;
  std::int64_t kept_epoch_ = 0;  // that best_ is of
  std::int64_t best_epoch_ = 0;  // the last that was judged to be the best
  bool judged_ = false;          // a model was
  std::optional<ModelScore> best_validation_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
