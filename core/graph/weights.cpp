#include "core/graph/weights.h"

#include <algorithm>
#include <set>

#include "core/base/text.h"
#include "core/graph/plan.h"
#include "kernels/cast.h"
#include "kernels/initialize.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

static_assert(kParameterAlignment == std::int64_t(kRegionAlignment / sizeof(float)));

std::int64_t aligned(std::int64_t count) {
  return (count + kParameterAlignment - 1) / kParameterAlignment * kParameterAlignment;
}

std::int64_t slab_count(const std::vector<Parameter>& parameters) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters) count += aligned(parameter.stored_shape().count());
  return count;
}

std::vector<Parameter> trainable_of(const std::vector<Parameter>& parameters) {
  std::vector<Parameter> trainable;
  for (const Parameter& parameter : parameters)
    if (parameter.trainable()) trainable.push_back(parameter);
  return trainable;
}

std::vector<ParameterRange> ranges_of(const std::vector<Parameter>& trainable) {
  std::vector<ParameterRange> ranges;
  std::int64_t offset = 0;
  for (const Parameter& parameter : trainable) {
    ranges.push_back({parameter.name(), parameter.shape(), offset});
    offset += aligned(parameter.stored_shape().count());
  }
  return ranges;
}

bool sixteen_bits(DType type) { return size_of(type) == 2; }

}  // namespace

ParameterStore::~ParameterStore() {
  const auto release = [](Parameter::State& state) {
    state.value = state.master = state.gradient = Tensor();
    state.owner = nullptr;
  };
  for (const Parameter& parameter : parameters_) release(*parameter.state_);
  for (const auto& bound : bound_)
    if (const auto state = bound.lock()) release(*state);
}

const Parameter* ParameterStore::find(const std::string& name) const {
  const auto found = parameter_of_name_.find(name);
  return found == parameter_of_name_.end() ? nullptr : &parameters_[found->second];
}

void ParameterStore::check(const std::vector<Parameter>& parameters,
                           const WeightTypes& types) const {
  std::set<std::string> names;
  for (const Parameter& parameter : parameters)
    ADJOINT_CHECK(names.insert(parameter.name()).second, "Graph: two parameters are named ",
                  parameter.name(), "; give their layers names of their own");
  if (!allocated_) return;
  const auto text = [](const WeightTypes& of) {
    return str(name(of.compute), of.float32_gradients ? " with float32 gradients" : "",
               of.accumulate ? " that accumulate" : "");
  };
  // A graph that only computes has no use for gradients.
  ADJOINT_CHECK(types.compute == types_.compute, "Graph: computes in ", text(types),
                ", but the weights are those of a graph that computes in ", text(types_),
                "; compile both with one compute_type");
  ADJOINT_CHECK(!(types.float32_gradients || types.accumulate) || types == types_,
                "Graph: expected gradients of the weights as the graph compiled first has them, ",
                text(types_), ", got ", text(types));
  for (const Parameter& parameter : parameters) {
    if (parameter.state_->owner == this) continue;
    const Parameter* const held = find(parameter.name());
    if (held == nullptr) {
      std::vector<std::string> known;
      for (const Parameter& each : parameters_) known.push_back(each.name());
      ADJOINT_FAIL("Graph: the weights have no parameter ", parameter.name(), " ",
                   parameter.shape(), did_you_mean(parameter.name(), known),
                   "; the graph compiled first says what there is");
    }
    ADJOINT_CHECK(
        held->shape() == parameter.shape() && held->stored_shape() == parameter.stored_shape(),
        "Graph: ", parameter.name(), " is ", held->shape(), " (", held->stored_shape(),
        " in memory) in the weights, but ", parameter.shape(), " (", parameter.stored_shape(),
        ") in this graph");
    if (!held->trainable()) parameter.state_->trainable = false;
  }
}

void ParameterStore::bind(const std::vector<Parameter>& parameters,
                          const std::vector<Declarations>& declarations, const WeightTypes& types) {
  if (!allocated_) {
    types_ = types;
    allocate(parameters, declarations);
    allocated_ = true;
    return;
  }
  std::erase_if(bound_, [](const auto& bound) { return bound.expired(); });
  for (const Parameter& parameter : parameters)
    if (parameter.state_->owner != this) bind_parameter(parameter);
  for (const Declarations& of_node : declarations)
    for (const Declarations::State& state : of_node.states) bind_state(state);
}

void ParameterStore::bind_parameter(const Parameter& parameter) {
  const Parameter::State& held = *find(parameter.name())->state_;
  Parameter::State& state = *parameter.state_;
  state.value = held.value;
  state.master = held.master;
  state.gradient = held.gradient;
  state.owner = this;
  bound_.push_back(parameter.state_);
}

void ParameterStore::bind_state(const Declarations::State& state) const {
  const auto found = state_of_name_.find(state.slot.name());
  ADJOINT_CHECK(found != state_of_name_.end(), "Graph: the weights have no running state ",
                state.slot.name(), "; the graph compiled first says what there is");
  const Slot& held = saved_states_[found->second];
  ADJOINT_CHECK(held.type() == state.slot.type(), "Graph: ", state.slot.name(), " is ", held.type(),
                " in the weights, but ", state.slot.type(), " in this graph");
  state.slot.place_->tensor = held.place_->tensor;
}

std::vector<ParameterRange> ParameterStore::layout(const std::vector<Parameter>& parameters) const {
  return allocated_ ? learned_ranges_ : ranges_of(trainable_of(parameters));
}

std::int64_t ParameterStore::layout_count(const std::vector<Parameter>& parameters) const {
  return allocated_ ? gradient_.count() : slab_count(trainable_of(parameters));
}

void ParameterStore::allocate(const std::vector<Parameter>& parameters,
                              const std::vector<Declarations>& declarations) {
  states_.clear();  // of an attempt that found no memory
  for (const Declarations& of_node : declarations)
    for (const Declarations::State& state : of_node.states) states_.push_back(state);
  const std::vector<Parameter> trainable = trainable_of(parameters);
  std::vector<Parameter> frozen;
  for (const Parameter& parameter : parameters)
    if (!parameter.trainable()) frozen.push_back(parameter);
  learned_ = allocate_slab(trainable, "parameters");
  frozen_ = allocate_slab(frozen, "frozen parameters");
  const bool narrow = sixteen_bits(types_.compute);
  const std::int64_t count = slab_count(trainable);
  gradient_ =
      zeroed(gradient_buffer_, narrow && types_.float32_gradients ? DType::float32 : types_.compute,
             count, "gradients");
  if (types_.accumulate && sixteen_bits(gradient_.dtype()))
    accumulated_ = zeroed(accumulated_buffer_, DType::float32, count, "accumulated gradients");
  place_states(accumulation_type(types_.compute));
  // From here on nothing fails: the parameters are the store's.
  parameters_ = parameters;
  learned_ranges_ = ranges_of(trainable);
  for (const Declarations& of_node : declarations)
    for (const Declarations::State& state : of_node.states) {
      state_of_name_.emplace(state.slot.name(), saved_states_.size());
      saved_states_.push_back(state.slot);
    }
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    parameter_of_name_.emplace(parameters_[i].name(), i);
  place(trainable, learned_, gradient_);
  place(frozen, frozen_, Tensor());
  initialize_values();
  refresh(context_.stream());
}

Tensor ParameterStore::zeroed(Buffer& buffer, DType type, std::int64_t count,
                              const std::string& owner) {
  const TensorType slab{type, {count}};
  buffer = context_.memory().allocate(slab.bytes(), owner);
  fill_bytes(context_.stream(), buffer.data(), 0, slab.bytes());
  return Tensor(buffer.data(), type, slab.shape);
}

ParameterStore::Slab ParameterStore::allocate_slab(const std::vector<Parameter>& parameters,
                                                   const std::string& owner) {
  const std::int64_t count = slab_count(parameters);
  const DType master_type = accumulation_type(types_.compute);
  Slab slab;
  slab.master = zeroed(slab.master_buffer, master_type, count, owner);
  if (master_type != types_.compute)
    slab.compute = zeroed(slab.compute_buffer, types_.compute, count,
                          str(owner, ", ", name(types_.compute), " copy"));
  return slab;
}

void ParameterStore::refresh(Stream& stream) const {
  for (const Slab* slab : {&learned_, &frozen_})
    if (slab->compute.defined()) cast(stream, slab->compute, slab->master);
  keep_running_state(stream);
}

void ParameterStore::keep_running_state(Stream& stream) const {
  if (running_.live.defined())
    copy_on_device(stream, running_.before.data(), running_.live.data(), running_.live.bytes());
}

void ParameterStore::bring_back_running_state(Stream& stream) const {
  if (running_.live.defined())
    copy_on_device(stream, running_.live.data(), running_.before.data(), running_.live.bytes());
}

void ParameterStore::place(const std::vector<Parameter>& parameters, const Slab& slab,
                           const Tensor& gradient) {
  std::int64_t offset = 0;
  const auto at = [&](const Tensor& whole, const Shape& shape) {
    if (!whole.defined()) return Tensor();
    auto* begin =
        static_cast<std::byte*>(whole.data()) + std::size_t(offset) * size_of(whole.dtype());
    return Tensor(begin, whole.dtype(), shape);
  };
  for (const Parameter& parameter : parameters) {
    Parameter::State& state = *parameter.state_;
    state.master = at(slab.master, parameter.shape());
    state.value = slab.compute.defined() ? at(slab.compute, parameter.shape()) : state.master;
    state.gradient = at(gradient, parameter.shape());
    state.owner = this;
    offset += aligned(parameter.stored_shape().count());
  }
}

void ParameterStore::initialize_values() {
  Stream& stream = context_.stream();
  // Counting down from the top keeps these draws apart from the layers', whose places count up from
  // 0.
  std::uint64_t place = ~std::uint64_t{0};
  for (const Parameter& parameter : parameters_)
    initialize(stream, parameter.master(), parameter.initializer(), context_.seed(), place--);
  for (const Declarations::State& state : states_)
    initialize(stream, state.slot.tensor(), Initializer::constant(state.initial), context_.seed(),
               place--);
}

// Together lie what an average takes in and the rest.
void ParameterStore::place_states(DType master_type) {
  const auto averaged_first = [&](const Declarations::State& state) {
    return state.slot.type().dtype == master_type ? 0 : 1;
  };
  std::ranges::stable_sort(states_, {}, averaged_first);
  std::size_t averaged = 0, all = 0;
  for (const Declarations::State& state : states_) {
    all += region_bytes(state.slot.type().bytes());
    if (averaged_first(state) == 0) averaged = all;
  }
  if (all == 0) return;
  state_buffer_ = context_.memory().allocate(all, "running state");
  kept_state_buffer_ = context_.memory().allocate(all, "running state");
  auto* next = static_cast<std::byte*>(state_buffer_.data());
  fill_bytes(context_.stream(), next, 0, all);  // the gaps as well
  running_ = {.live = Tensor(next, DType::uint8, {std::int64_t(all)}),
              .before = Tensor(kept_state_buffer_.data(), DType::uint8, {std::int64_t(all)})};
  if (averaged > 0)
    running_.averaged = Tensor(next, master_type, {std::int64_t(averaged / size_of(master_type))});
  for (Declarations::State& state : states_) {
    const TensorType& type = state.slot.type();
    state.slot.place_->tensor = Tensor(next, type.dtype, type.shape);
    next += region_bytes(type.bytes());
  }
}

const ParameterStore& Weights::allocated() const {
  ADJOINT_CHECK(store_->allocated(),
                "Weights: expected a graph over them that is compiled: it says what there is");
  return *store_;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
