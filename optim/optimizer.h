// Optimizer: what SGD, AdamW and those to come share. One step is two kernels, whatever the number
// of parameters:
//
//   gradient_norm   norm, clipping, learning rate, step counters, metrics (kernels/gradient_norm.h)
//   update          every parameter, its moments and its 16-bit copy           (kernels/adamw.h,
//   sgd.h)
//
// All that changes from step to step lies on the device, so a step can be captured once and
// replayed, and none waits for the host. A gradient that is not finite changes no parameter and no
// moment; it is counted.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/graph/parameter.h"
#include "kernels/gradient_norm.h"
#include "kernels/update_state.h"
#include "optim/schedule.h"

namespace adjoint::inline ADJOINT_BACKEND {

struct OptimizerOptions {
  Schedule schedule;
  /// The norm of the mean gradient over all parameters is clipped to this (Pascanu et al. 2013);
  /// 0: no clipping.
  double clip_norm = 0;
  /// What the loss was multiplied by before backward; divided out of the gradient.
  double loss_scale = 1;
};

/// A part of the state as checkpoints keep it.
struct OptimizerState {
  std::string name;  ///< "m", "v", "update_state"
  Tensor tensor;     ///< device memory; may be read from and written to between steps
};

class Optimizer {
 public:
  /// `totals` in what follows is a float32 [3] device tensor that the forward pass wrote: loss sum,
  /// valid count, correct count over the samples of a micro-step.

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  /// The optimizer's name in reports and errors: "AdamW".
  virtual std::string name() const = 0;

  /// Updates the parameters from the gradient in the slab, with the valid counts of `totals` and of
  /// all micro-steps since the last step. Puts two kernels on the context's stream.
  void step(const Tensor& totals);

  /// With gradient accumulation: after every micro-step of an update but the last, which step()
  /// ends. Keeps its totals and lets the next micro-step draw new random numbers. Puts one kernel
  /// on the stream. So that all samples weigh alike, whatever their number in each micro-step.
  void accumulate(const Tensor& totals);

  /// Records of the steps finished since the last call, oldest first. Never blocks and never waits:
  /// records are read from memory that the device writes, kRingSize of them; what was not read by
  /// the time kRingSize more steps have run is overwritten and counted in lost_records().
  std::vector<StepRecord> read_metrics();
  std::uint64_t lost_records() const { return lost_; }
  static constexpr std::size_t kRingSize = 1024;

  /// Everything that must be saved to go on as if never interrupted, beside the parameters and the
  /// context's step. "update_state" is uint8 [sizeof(UpdateState)].
  const std::vector<OptimizerState>& state() const { return states_; }

  const OptimizerOptions& options() const { return options_; }
  /// On the device: for tests and reports.
  const UpdateState* update_state() const { return update_state_; }

 protected:
  /// Throws Error if the slab's tensors do not fit each other or an option is out of range.
  Optimizer(Context& context, const ParameterSlab& slab, const OptimizerOptions& options,
            const std::string& name);

  /// A moment: like the master parameters, zero at start, part of state(). `owner` of its memory is
  /// "NAME moments". Called by constructors.
  Tensor add_moment(const std::string& name);

  /// What of GradientNorm depends on the kind of optimizer: betas and largest_norm.
  virtual void configure(GradientNorm&) const {}
  /// Puts the update on the stream, where *update_state() is that of this step.
  virtual void update(Stream& stream) = 0;

  const ParameterSlab& slab() const { return slab_; }

 private:
  Context& context_;
  ParameterSlab slab_;
  OptimizerOptions options_;
  std::string name_;
  std::vector<Buffer> buffers_;
  PinnedBuffer ring_buffer_;
  std::vector<OptimizerState> states_;
  UpdateState* update_state_ = nullptr;
  StepWorkspace* workspace_ = nullptr;
  std::uint64_t read_ = 0;  ///< sequence number of the last record read
  std::uint64_t lost_ = 0;
};

}  // namespace adjoint::inline ADJOINT_BACKEND
