#include "core/graph/builder.h"

#include <utility>

#include "core/base/text.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

std::string types_text(const Signature& types) {
  if (types.empty()) return "nothing";
  std::vector<std::string> texts;
  for (const TensorType& type : types) texts.push_back(str(type));
  return join(texts, ", ");
}

Slot::Slot(const std::string& name, const TensorType& type)
    : place_(std::make_shared<Place>(Place{name, type, Tensor()})) {}

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

Slot Declarations::add_scratch(const std::string& name, const TensorType& type, Phase phase) {
  scratch.push_back({Slot(name, type), phase});
  return scratch.back().slot;
}

bool ParameterList::add(const Parameter& parameter) {
  if (!known_.insert(parameter.state_.get()).second) return false;
  in_order_.push_back(parameter);
  return true;
}

Builder::Builder(std::string scope, Signature inputs, Signature outputs, DType compute_type,
                 DType gradient_type, std::uint64_t place, Declarations& declarations,
                 ParameterList& parameters)
    : scope_(std::move(scope)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      compute_type_(compute_type),
      gradient_type_(gradient_type),
      place_(place),
      declarations_(&declarations),
      parameters_(&parameters) {}

void Builder::parameter(Parameter& handle, const ParameterSpec& spec) {
  Parameter::State& state = *handle.state_;
  const std::string name = scope_.empty() ? spec.name : scope_ + "." + spec.name;
  const bool placed = state.owner != nullptr;
  ADJOINT_CHECK(!placed || state.owner == parameters_->owner(), name,
                ": expected a layer that no other graph holds, got the one of ", state.name,
                "; give each graph layers of its own, or all of them the same Weights");
  if (parameters_->add(handle) && !placed) {
    ADJOINT_CHECK(
        spec.stored_rows == 0 || (spec.shape.rank() > 0 && spec.stored_rows >= spec.shape[0]), name,
        ": expected at least the ", spec.shape, " rows in memory, got ", spec.stored_rows);
    state.name = name;
    state.spec = spec;
    state.spec.initializer = spec.initializer.resolved(spec.shape);
  } else {
    ADJOINT_CHECK(state.spec.shape == spec.shape, name, ": shares parameter ", state.name,
                  " of shape ", state.spec.shape, ", but needs ", spec.shape);
    ADJOINT_CHECK(spec.stored_rows == 0 || handle.stored_shape()[0] == spec.stored_rows, name,
                  ": shares parameter ", state.name, " of ", handle.stored_shape(),
                  " in memory, but wants ", spec.stored_rows, " rows");
  }
  declarations_->parameters.push_back(handle);
}

void Builder::writes_float32_gradient(const Parameter& parameter, bool writes) {
  std::vector<Parameter>& all = declarations_->float32_gradients;
  std::erase(all, parameter);
  if (writes) all.push_back(parameter);
}

Slot Builder::slot(const std::string& name, const TensorType& type) const {
  return Slot(scope_.empty() ? name : scope_ + "." + name, type);
}

Slot Builder::state(const std::string& name, const TensorType& type, float initial) {
  declarations_->states.push_back({slot(name, type), initial});
  return declarations_->states.back().slot;
}

Slot Builder::persistent(const std::string& name, const TensorType& type) {
  return declarations_->persistent.emplace_back(slot(name, type));
}

Slot Builder::saved(const std::string& name, const TensorType& type) {
  return declarations_->saved.emplace_back(slot(name, type));
}

Slot Builder::scratch(const std::string& name, const TensorType& type, Phase phase) {
  return declarations_->add_scratch(slot(name, type).name(), type, phase);
}

Builder Builder::part(const std::string& scope, Signature inputs, Signature outputs) const {
  return Builder(scope, std::move(inputs), std::move(outputs), compute_type_, gradient_type_,
                 place_, *declarations_, *parameters_);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
