// The memory of a model's parameters: slabs in build order, gradients likewise, and running state.
#pragma once

#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/graph/builder.h"

namespace adjoint::inline ADJOINT_BACKEND {

class ParameterStore {
 public:
  /// Allocates and initialises the parameters of all declarations, each once, in order: trainable
  /// ones in one slab, frozen ones in another. Values are float32, or float64 if `type` is.
  ParameterStore(Context& context, const std::vector<Declarations>& declarations, DType type);

  /// In build order, frozen ones included.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Running state that is saved with the model.
  const std::vector<Slot>& states() const { return saved_states_; }
  ParameterSlab slab() const { return slab_; }
  /// Sets how the next call may write the parameter's gradient.
  static void set_mode(Parameter& parameter, GradientMode mode);

 private:
  void place(const std::vector<Parameter>& parameters, const Tensor& master,
             const Tensor& gradient);
  void initialize_values(Context& context);

  std::vector<Parameter> parameters_;
  std::vector<Declarations::State> states_;
  std::vector<Slot> saved_states_;
  Buffer values_, frozen_values_, gradients_, state_buffer_;
  ParameterSlab slab_;
};

}  // namespace adjoint::inline ADJOINT_BACKEND
