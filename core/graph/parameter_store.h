// The memory of a model's parameters: slabs in build order, gradients likewise, and running state.
#pragma once

#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/graph/builder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class ParameterStore {
 public:
  /// Allocates and initialises the parameters in their order, trainable ones in one slab, frozen
  /// ones in another, and the running state of all declarations. Values are float32, or float64 if
  /// `compute_type` is. `accumulate`: a 16-bit gradient gets a float32 slab beside it, for sums
  /// over micro-steps. Throws Error if two parameters have one name.
  ParameterStore(Context& context, const std::vector<Parameter>& parameters,
                 const std::vector<Declarations>& declarations, DType compute_type,
                 bool accumulate);
  /// Takes the memory from the parameters: their layers may go into another graph.
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  /// In build order, frozen ones included.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Running state that is saved with the model.
  const std::vector<Slot>& states() const { return saved_states_; }
  ParameterSlab slab() const {
    return {learned_.master, accumulated_.defined() ? accumulated_ : gradient_, learned_.compute,
            learned_ranges_, running_};
  }
  /// What layers write, in the compute type; and the float32 sums over micro-steps, undefined where
  /// the former can hold them.
  const Tensor& computed_gradient() const { return gradient_; }
  const Tensor& accumulated() const { return accumulated_; }
  /// Copies masters to the values that layers use, where those are not the same memory, and keeps
  /// the running state.
  void refresh(Context& context) const;
  /// Copies the running state to where a skipped update finds it; puts nothing on the stream where
  /// there is none.
  void keep_running_state(Context& context) const;
  /// Sets how the next call may write the parameter's gradient.
  static void set_mode(Parameter& parameter, GradientMode mode);

 private:
  // One slab's worth of parameters: those that learn, or the frozen ones.
  struct Slab {
    Buffer master_buffer, compute_buffer;
    Tensor master, compute;
  };
  Slab allocate(Context& context, const std::vector<Parameter>& parameters,
                const std::string& owner, DType compute_type) const;
  void place(const std::vector<Parameter>& parameters, const Slab& slab, const Tensor& gradient);
  void initialize_values(Context& context);
  void place_states(Context& context, DType master_type);

  std::vector<Parameter> parameters_;
  std::vector<Declarations::State> states_;
  std::vector<Slot> saved_states_;
  Slab learned_, frozen_;
  std::vector<ParameterRange> learned_ranges_;
  Tensor gradient_, accumulated_;
  RunningState running_;
  Buffer gradient_buffer_, accumulated_buffer_, state_buffer_, kept_state_buffer_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
