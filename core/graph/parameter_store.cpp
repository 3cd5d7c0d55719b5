#include "core/graph/parameter_store.h"

#include <algorithm>
#include <set>

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

std::size_t aligned_bytes(const TensorType& type) {
  return (type.bytes() + kRegionAlignment - 1) / kRegionAlignment * kRegionAlignment;
}

std::int64_t slab_count(const std::vector<Parameter>& parameters) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters) count += aligned(parameter.count());
  return count;
}

Tensor zeroed(Context& context, Buffer& buffer, DType type, std::int64_t count,
              const std::string& owner) {
  const TensorType slab{type, {count}};
  buffer = context.memory().allocate(slab.bytes(), owner);
  fill_bytes(context.stream(), buffer.data(), 0, slab.bytes());
  return Tensor(buffer.data(), type, slab.shape);
}

}  // namespace

ParameterStore::ParameterStore(Context& context, const std::vector<Parameter>& parameters,
                               const std::vector<Declarations>& declarations, DType compute_type,
                               bool accumulate)
    : parameters_(parameters) {
  std::set<std::string> names;
  for (const Parameter& parameter : parameters_)
    ADJOINT_CHECK(names.insert(parameter.name()).second, "Graph: two parameters are named ",
                  parameter.name(), "; give their layers names of their own");
  for (const Declarations& of_node : declarations) {
    for (const Declarations::State& state : of_node.states) {
      states_.push_back(state);
      if (state.saved) saved_states_.push_back(state.slot);
    }
  }
  std::vector<Parameter> trainable, frozen;
  for (const Parameter& parameter : parameters_)
    (parameter.trainable() ? trainable : frozen).push_back(parameter);
  std::int64_t offset = 0;
  for (const Parameter& parameter : trainable) {
    learned_ranges_.push_back({parameter.name(), parameter.shape(), offset});
    offset += aligned(parameter.count());
  }
  learned_ = allocate(context, trainable, "parameters", compute_type);
  frozen_ = allocate(context, frozen, "frozen parameters", compute_type);
  gradient_ = zeroed(context, gradient_buffer_, compute_type, slab_count(trainable), "gradients");
  if (accumulate && learned_.compute.defined())
    accumulated_ = zeroed(context, accumulated_buffer_, DType::float32, slab_count(trainable),
                          "accumulated gradients");
  place(trainable, learned_, gradient_);
  place(frozen, frozen_, Tensor());
  place_states(context, accumulation_type(compute_type));
  initialize_values(context);
  refresh(context);
}

ParameterStore::~ParameterStore() {
  for (const Parameter& parameter : parameters_) {
    Parameter::State& state = *parameter.state_;
    state.value = state.master = Tensor();
    state.gradient = {};
  }
}

ParameterStore::Slab ParameterStore::allocate(Context& context,
                                              const std::vector<Parameter>& parameters,
                                              const std::string& owner, DType compute_type) const {
  const std::int64_t count = slab_count(parameters);
  const DType master_type = accumulation_type(compute_type);
  Slab slab;
  slab.master = zeroed(context, slab.master_buffer, master_type, count, owner);
  if (master_type != compute_type)
    slab.compute = zeroed(context, slab.compute_buffer, compute_type, count,
                          str(owner, ", ", name(compute_type), " copy"));
  return slab;
}

void ParameterStore::refresh(Context& context) const {
  for (const Slab* slab : {&learned_, &frozen_})
    if (slab->compute.defined()) cast(context.stream(), slab->compute, slab->master);
  keep_running_state(context);
}

void ParameterStore::keep_running_state(Context& context) const {
  if (running_.live.defined())
    copy_on_device(context.stream(), running_.before.data(), running_.live.data(),
                   running_.live.bytes());
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
    state.gradient = {at(gradient, parameter.shape()), GradientMode::none};
    offset += aligned(parameter.count());
  }
}

void ParameterStore::initialize_values(Context& context) {
  // Counting down from the top keeps these draws apart from the layers', whose places count up from
  // 0.
  std::uint64_t place = ~std::uint64_t{0};
  for (const Parameter& parameter : parameters_)
    initialize(context.stream(), parameter.master(), parameter.initializer(), context.seed(),
               place--);
  for (const Declarations::State& state : states_)
    initialize(context.stream(), state.slot.tensor(), Initializer::constant(state.initial),
               context.seed(), place--);
}

// Together lie what an average takes in, the rest of what is saved, and what is not: error words
// must outlive a skipped update.
void ParameterStore::place_states(Context& context, DType master_type) {
  const auto rank = [&](const Declarations::State& state) {
    return !state.saved ? 2 : state.slot.type().dtype != master_type ? 1 : 0;
  };
  std::ranges::stable_sort(states_, {}, rank);
  std::size_t end_of[3] = {};
  for (const Declarations::State& state : states_)
    for (int i = rank(state); i < 3; ++i) end_of[i] += aligned_bytes(state.slot.type());
  const auto [averaged, saved, all] = end_of;
  state_buffer_ = context.memory().allocate(all, "running state");
  auto* next = static_cast<std::byte*>(state_buffer_.data());
  fill_bytes(context.stream(), next, 0, all);  // the gaps as well
  if (saved > 0) {
    kept_state_buffer_ = context.memory().allocate(saved, "running state");
    running_ = {.live = Tensor(next, DType::uint8, {std::int64_t(saved)}),
                .before = Tensor(kept_state_buffer_.data(), DType::uint8, {std::int64_t(saved)})};
  }
  if (averaged > 0)
    running_.averaged = Tensor(next, master_type, {std::int64_t(averaged / size_of(master_type))});
  for (Declarations::State& state : states_) {
    const TensorType& type = state.slot.type();
    state.slot.place_->tensor = Tensor(next, type.dtype, type.shape);
    next += aligned_bytes(type);
  }
}

void ParameterStore::set_mode(Parameter& parameter, GradientMode mode) {
  Parameter::State& state = *parameter.state_;
  state.gradient.mode = state.trainable ? mode : GradientMode::none;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
