#include "core/graph/builder.h"

#include <utility>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Tensor Slot::tensor() const {
  ADJOINT_CHECK(place_, "Slot: used by a layer that did not declare it in build()");
  ADJOINT_CHECK(place_->tensor.defined(), "Slot ", place_->name,
                ": used before the graph was compiled");
  return place_->tensor;
}

Tensor Slot::view(const Shape& shape) const {
  const Tensor whole = tensor();
  ADJOINT_CHECK(shape.count() <= whole.count(), "Slot ", place_->name, ": declared as ",
                whole.type(), ", which cannot hold ", shape);
  return Tensor(whole.data(), whole.dtype(), shape);
}

bool ParameterList::add(const Parameter& parameter) {
  if (!known_.insert(parameter.state_.get()).second) return false;
  in_order_.push_back(parameter);
  return true;
}

Builder::Builder(std::string scope, Signature inputs, Signature outputs, DType compute_type,
                 std::uint64_t place, Declarations& declarations, ParameterList& parameters)
    : scope_(std::move(scope)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      compute_type_(compute_type),
      place_(place),
      declarations_(&declarations),
      parameters_(&parameters) {}

void Builder::parameter(Parameter& handle, const ParameterSpec& spec) {
  Parameter::State& state = *handle.state_;
  const std::string name = scope_.empty() ? spec.name : scope_ + "." + spec.name;
  ADJOINT_CHECK(!state.master.defined(), name, ": expected a layer that no other graph holds, got ",
                "the one of ", state.name, "; give each graph layers of its own");
  if (parameters_->add(handle)) {
    state.name = name;
    state.spec = spec;
    state.spec.initializer = spec.initializer.resolved(spec.shape);
  } else {
    ADJOINT_CHECK(state.spec.shape == spec.shape, name, ": shares parameter ", state.name,
                  " of shape ", state.spec.shape, ", but needs ", spec.shape);
  }
  declarations_->parameters.push_back(handle);
}

Slot Builder::slot(const std::string& name, const TensorType& type) const {
  Slot slot;
  slot.place_ = std::make_shared<Slot::Place>(
      Slot::Place{scope_.empty() ? name : scope_ + "." + name, type, Tensor()});
  return slot;
}

Slot Builder::state(const std::string& name, const TensorType& type, float initial) {
  declarations_->states.push_back({slot(name, type), initial, true});
  return declarations_->states.back().slot;
}

Slot Builder::persistent(const std::string& name, const TensorType& type) {
  declarations_->states.push_back({slot(name, type), 0.0f, false});
  return declarations_->states.back().slot;
}

Slot Builder::saved(const std::string& name, const TensorType& type) {
  return declarations_->saved.emplace_back(slot(name, type));
}

Slot Builder::scratch(const std::string& name, const TensorType& type, Phase phase) {
  declarations_->scratch.push_back({slot(name, type), phase});
  return declarations_->scratch.back().slot;
}

Builder Builder::part(const std::string& scope, Signature inputs, Signature outputs) const {
  return Builder(scope, std::move(inputs), std::move(outputs), compute_type_, place_,
                 *declarations_, *parameters_);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
