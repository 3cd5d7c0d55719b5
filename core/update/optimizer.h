// Optimizer: updates all parameters of a model by an update rule. One step is two kernels (LAMB:
// three), whatever the number of parameters and of their groups:
//
//   gradient_norm   norm, clipping, learning rate, loss scale, counters, metrics
//   update          every parameter, its moments, its 16-bit copy and its moving average
//
// Where something is to come between the norm and what is decided by it, begin_step() and
// end_step() put them there as two kernels, so that a step is three.
//
// All that changes from step to step lies on the device, so a step can be captured once and
// replayed, and none waits for the host. A gradient or loss that is not finite changes no
// parameter, no moment and no running state of layers; it is counted. Where layers have running
// state, a third kernel brings it back then, and else averages it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/graph/parameter.h"
#include "core/update/optimizer_options.h"
#include "core/update/update_rule.h"
#include "kernels/gradient_norm.h"
#include "kernels/update_state.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// A part of the state.
struct OptimizerState {
  std::string name;  ///< "m", "v", "update_state"
  Tensor tensor;     ///< device memory; may be read from and written to between steps
  /// It lies as the slab does, a number for each of a parameter's: checkpoints keep it parameter by
  /// parameter, "m.linear1.weight".
  bool per_parameter = false;
};

class Optimizer {
 public:
  /// `totals` in what follows is a float32 or float64 device tensor that the forward pass wrote:
  /// loss sum, valid count, correct count over the samples of a micro-step. With a fourth number,
  /// as losses with Reduction::sum have it, gradients are not divided by the valid count
  /// (kernels/totals.h).

  /// Throws Error if the slab's tensors do not fit each other or an option is out of range.
  Optimizer(Context& context, const ParameterSlab& slab, const RuleOptions& rule,
            const OptimizerOptions& options = {});
  /// By a rule that is entered nowhere.
  Optimizer(Context& context, const ParameterSlab& slab, const UpdateRule& rule,
            const OptimizerOptions& options = {});
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// The optimizer's name in reports and errors: "AdamW".
  const std::string& name() const { return rule_.name; }

  /// Updates the parameters from the gradient in the slab, with the valid counts of `totals` and of
  /// all micro-steps since the last step. Puts two kernels on the context's stream, LAMB three, and
  /// one more where layers have running state.
  void step(const Tensor& totals);

  /// A step in two halves, for what has to come between them: adding up the squares of the parts of
  /// the gradient that several ranks hold, say. Together they leave what step() leaves, bit for
  /// bit.
  ///
  ///   const Tensor squares = optimizer.begin_step();
  ///   all_reduce_sum(squares);
  ///   optimizer.end_step(totals);
  ///
  /// The first puts one kernel on the stream and returns what it writes: float64 [1] on the device,
  /// the sum of squares of the unnormalised gradient, or of its elements [begin, end): `begin` a
  /// multiple of kParameterAlignment, as offsets of parameters are. What lies there when the second
  /// one's kernels run counts as the square of the whole gradient's norm. Without check_gradient
  /// the sum is 0, and not looked at. Throws Error for a range outside of the slab.
  Tensor begin_step();
  Tensor begin_step(std::int64_t begin, std::int64_t end);
  /// Puts the rest on the stream: what step() does, with one kernel more. Throws Error where no
  /// begin_step() came before it.
  void end_step(const Tensor& totals);

  /// With gradient accumulation: after every micro-step of an update but the last, which step()
  /// ends. Keeps its totals and lets the next micro-step draw new random numbers. Puts one kernel
  /// on the stream. So that all samples weigh alike, whatever their number in each micro-step.
  void accumulate(const Tensor& totals);

  /// Forgets the micro-steps that accumulate() has noted: of an update that is given up, because a
  /// step of it threw. Puts one fill on the stream.
  void abandon();

  /// After a validation: its loss, for a plateau schedule; others take no notice. Puts one kernel
  /// on the stream, outside of captured steps.
  void observe(double validation_loss);

  /// Exchanges parameters and running state with their moving average (OptimizerOptions::ema);
  /// again, and all is as before. No step may come between. Before the first update nothing is
  /// exchanged. Puts one kernel on the stream, one more with 16-bit copies, and with running state.
  void swap_average();
  bool has_average() const { return average_.defined(); }

  /// Records of the steps finished since the last call, oldest first. Never blocks and never waits:
  /// records are read from memory that the device writes, kRingSize of them; what was not read by
  /// the time kRingSize more steps have run is overwritten and counted in lost_records().
  std::vector<StepRecord> read_metrics();
  std::uint64_t lost_records() const { return lost_; }
  static constexpr std::size_t kRingSize = 1024;

  /// Everything that must be saved to go on as if never interrupted, beside the parameters and the
  /// context's step: "update_state", uint8 [kSavedUpdateState]; the moments the rule keeps;
  /// "loss_scale", float32 [1], where it is dynamic; "ema", where an average is kept, and
  /// "ema_running", that of the layers' running state, where there is any.
  const std::vector<OptimizerState>& state() const { return states_; }

  const OptimizerOptions& options() const { return options_; }
  const Schedule& schedule() const { return schedule_; }
  /// On the device: for tests and reports.
  const UpdateState* update_state() const { return update_state_; }

 private:
  Tensor add_state(const std::string& name, const std::string& owner, const TensorType& type,
                   bool per_parameter);
  void check_slab_tensors() const;
  void allocate_state();
  void allocate_moments();
  void allocate_pieces();
  GradientNorm norm_of(const Tensor& totals) const;
  Tensor checked_gradient() const;
  void update();

  Context& context_;
  ParameterSlab slab_;
  UpdateRule rule_;
  OptimizerOptions options_;
  Schedule schedule_;
  std::vector<Buffer> buffers_;
  PinnedBuffer ring_buffer_;
  std::vector<OptimizerState> states_;
  Tensor average_, running_average_;
  SlabUpdate update_;  ///< what does not change from step to step
  UpdateState* update_state_ = nullptr;
  StepWorkspace* workspace_ = nullptr;
  bool begun_ = false;      ///< by begin_step()
  std::uint64_t read_ = 0;  ///< sequence number of the last record read
  std::uint64_t lost_ = 0;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
