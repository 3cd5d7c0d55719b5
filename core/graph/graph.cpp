#include "core/graph/graph.h"

#include <algorithm>
#include <set>

#include "core/base/log.h"
#include "core/graph/notices.h"
#include "core/graph/recompute.h"
#include "kernels/add.h"
#include "kernels/initialize.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

namespace {

Tensor slice(const Tensor& slab, const GradientRange& range) {
  auto* const data =
      static_cast<std::byte*>(slab.data()) + std::size_t(range.begin) * size_of(slab.dtype());
  return Tensor(data, slab.dtype(), {range.end - range.begin});
}

}  // namespace

Graph& Value::graph() const {
  ADJOINT_CHECK(graph_,
                "Value: not part of a graph; make it with Graph::input() or by applying a layer");
  return *graph_;
}

const TensorType& Value::type() const { return graph().program().values[std::size_t(id_)].type; }

Graph::Graph(Context& context) : Graph(Weights(context)) {}

Graph::Graph(const Weights& weights) : Graph(weights, weights.context()) {}

Graph::Graph(const Weights& weights, Context& context)
    : context_(context), context_lives_(context.lives()), weights_(weights) {}

// ---- recording

Value Graph::input(const Shape& shape, DType type, const InputOptions& options) {
  ADJOINT_CHECK(!compiled(), "Graph: compiled already; record inputs before compile()");
  ADJOINT_CHECK(shape.rank() >= 1,
                "Graph: expected an input with a leading batch axis, got a scalar");
  if (options.per_sample) {
    ADJOINT_CHECK(max_batch_ == 0 || shape[0] == max_batch_,
                  "Graph: inputs must agree in their leading axis, the batch: expected ",
                  max_batch_, ", got shape ", shape,
                  "; one that all samples share is recorded with per_sample = false");
    max_batch_ = shape[0];
  }
  const ValueId id = program_.add_input(options.name, {type, shape}, options.wants_gradient);
  program_.values[std::size_t(id)].per_sample = options.per_sample;
  return Value(this, id);
}

std::vector<Value> Graph::apply(std::shared_ptr<Layer> layer, const std::vector<Value>& inputs,
                                const std::string& name) {
  ADJOINT_CHECK(!compiled(), "Graph: compiled already; apply layers before compile()");
  std::vector<Value> outputs;
  for (ValueId id : program_.apply(std::move(layer), ids(inputs), name))
    outputs.emplace_back(this, id);
  return outputs;
}

std::vector<ValueId> Graph::ids(const std::vector<Value>& values) const {
  std::vector<ValueId> result;
  for (const Value& value : values) {
    ADJOINT_CHECK(&value.graph() == this, "Graph: a value of another graph was used");
    result.push_back(value.id());
  }
  return result;
}

std::vector<Recompute> every_block(const std::vector<Value>& ends) {
  std::vector<Recompute> blocks;
  for (std::size_t i = 1; i < ends.size(); ++i) blocks.push_back({ends[i - 1], ends[i]});
  return blocks;
}

std::vector<RangeEnds> Graph::range_ends(const std::vector<Recompute>& ranges) const {
  std::vector<RangeEnds> result;
  for (const Recompute& range : ranges) {
    const std::vector<ValueId> ends = ids({range.from, range.to});
    result.push_back({.from = ends[0], .to = ends[1]});
  }
  return result;
}

// ---- compiling

void Graph::compile(const CompileOptions& options) {
  ADJOINT_CHECK(!compiling_,
                "Graph: compile() was called twice; after an error record the model anew");
  ADJOINT_CHECK(!program_.nodes.empty(), "Graph: nothing was applied; there is nothing to compile");
  ADJOINT_CHECK(is_floating(options.compute_type), "Graph: expected a floating compute type, got ",
                name(options.compute_type));
  ADJOINT_CHECK(max_batch_ > 0, "Graph: no input is per sample; expected one with a batch axis");
  const std::vector<ValueId> losses = ids(options.losses), seeds = ids(options.seeds);
  const std::vector<RangeEnds> ranges = range_ends(options.recompute);
  std::vector<ValueId> kept = ids(options.outputs);
  kept.insert(kept.end(), losses.begin(), losses.end());
  kept.insert(kept.end(), seeds.begin(), seeds.end());

  compiling_ = true;
  inline_containers(program_);
  notices_ = find_notices(program_);
  for (const std::string& notice : notices_)
    if (options.log_notices) log_warning(notice);
  separate_twins(program_);
  mark_ranges(program_, ranges);
  defer_gradients(program_, seeds);
  // Now, and not when the layers that run are built: rewrites move layers and put them together,
  // and no parameter may be named, placed or initialised otherwise for it.
  ParameterStore& store = *weights_.store_;
  const WeightTypes types{.compute = options.compute_type,
                          .float32_gradients = options.float32_gradients,
                          .accumulate = options.accumulate};
  const bool narrow = size_of(options.compute_type) == 2;
  const DType gradient_type =
      narrow && options.float32_gradients ? DType::float32 : options.compute_type;
  ParameterList parameters(&store);
  const std::vector<Declarations> recorded =
      build_layers(program_, options.compute_type, gradient_type, parameters);
  store.check(parameters.in_order(), types);
  const std::vector<bool> depends = find_dependents(program_, recorded);
  check_ends(program_, depends, losses, seeds);
  if (!losses.empty() && options.unused_parameters == UnusedParameters::refuse) {
    std::vector<ValueId> ends = losses;
    ends.insert(ends.end(), seeds.begin(), seeds.end());
    check_reached(program_, recorded, ends);
  }
  if (options.rewrite) {
    const std::vector<ValueId> seeded = seeded_values(program_, losses, seeds);
    rewrite(program_, {{kept.begin(), kept.end()}, {seeded.begin(), seeded.end()}},
            options.disabled_rewrites);
  }
  convert(program_, options.compute_type);
  declarations_ = build_layers(program_, options.compute_type, gradient_type, parameters);
  differentiation_ = differentiate(program_, declarations_, depends, losses, seeds);
  for (ValueId seed : differentiation_.seeds)
    if (std::ranges::find(seeds, seed) == seeds.end()) ones_.push_back(seed);
  if (gradient_type != options.compute_type)
    declare_narrow_gradients(differentiation_, options.compute_type, declarations_);
  recompute_ranges(program_, declarations_, kept, differentiation_);
  hook_gradients(options, parameters.in_order());
  plan_ = plan_memory(program_, declarations_, differentiation_,
                      {.kept = kept, .reuse = options.reuse_memory});
  allocate(options.reuse_memory);
  store.bind(parameters.in_order(), declarations_, types);
  // What that put on another stream.
  if (&store.context() != &context_) store.context().stream().synchronize();
  parameters_ = parameters.in_order();
  compiled_ = true;
  try {
    set_batch(max_batch_);
  } catch (...) {
    compiled_ = false;  // nothing can run
    throw;
  }
}

void Graph::hook_gradients(const CompileOptions& options,
                           const std::vector<Parameter>& parameters) {
  if (!options.on_gradient) return;
  on_gradient_ = options.on_gradient;
  const bool wide = options.float32_gradients || options.accumulate;
  const DType type =
      wide && size_of(options.compute_type) == 2 ? DType::float32 : options.compute_type;
  const auto bucket = static_cast<std::int64_t>(options.gradient_bucket_bytes / size_of(type));
  const ParameterStore& store = *weights_.store_;
  CallList& calls = differentiation_.calls;
  gradient_ranges_ =
      adjoint::hook_gradients(declarations_, store.layout(parameters),
                              store.layout_count(parameters), bucket, differentiation_);
  if (!options.side_stream) return;
  move_hooks_aside(calls);
  side_.emplace();
  for (const Call& call : calls.calls())
    for (int moment : call.waits) events_.try_emplace(moment);
}

void Graph::allocate(bool reuse) {
  region_data_.assign(plan_.regions.size(), nullptr);
  if (reuse) arena_ = context_.memory().allocate(plan_.arena_bytes, "activations");
  for (std::size_t i = 0; i < plan_.regions.size(); ++i) {
    const Region& region = plan_.regions[i];
    if (reuse) {
      region_data_[i] = static_cast<std::byte*>(arena_.data()) + region.offset;
    } else {
      separate_.push_back(context_.memory().allocate(region.bytes, region.name));
      region_data_[i] = separate_.back().data();
    }
  }
  for (const MemoryPlan::SlotPlace& place : plan_.slots)
    place.slot.place_->tensor = region_tensor(place.region, place.slot.type());
  allocate_persistent();
}

void Graph::allocate_persistent() {
  std::size_t bytes = 0;
  for (const Declarations& of_node : declarations_)
    for (const Slot& slot : of_node.persistent) bytes += region_bytes(slot.type().bytes());
  if (bytes == 0) return;
  persistent_ = context_.memory().allocate(bytes, "counters");
  fill_bytes(context_.stream(), persistent_.data(), 0, bytes);
  auto* next = static_cast<std::byte*>(persistent_.data());
  for (const Declarations& of_node : declarations_)
    for (const Slot& slot : of_node.persistent) {
      slot.place_->tensor = Tensor(next, slot.type().dtype, slot.type().shape);
      next += region_bytes(slot.type().bytes());
    }
}

Tensor Graph::region_tensor(int region, const TensorType& type) const {
  return Tensor(region_data_[std::size_t(region)], type.dtype, type.shape);
}

// ---- binding a batch

std::vector<TensorType> Graph::types_for(std::int64_t batch) const {
  std::vector<TensorType> types(program_.values.size());
  for (ValueId input : program_.inputs) {
    TensorType& type = types[std::size_t(input)];
    const ValueInfo& info = program_.values[std::size_t(input)];
    type = info.type;
    if (info.per_sample) type.shape = type.shape.with(0, batch);
  }
  for (const Node& node : program_.nodes) {
    Signature x;
    for (ValueId input : node.inputs) x.push_back(types[std::size_t(input)]);
    const Signature y = node.layer->infer(x);
    for (std::size_t k = 0; k < y.size(); ++k) types[std::size_t(node.outputs[k])] = y[k];
  }
  return types;
}

Graph::Binding Graph::bind(std::int64_t batch) const {
  Binding binding{.types = types_for(batch), .nodes = {}};
  const auto value_tensor = [&](ValueId id) {
    return region_tensor(plan_.value_region[std::size_t(id)], binding.types[std::size_t(id)]);
  };
  const auto gradient_tensor = [&](ValueId id) {
    const int region = plan_.gradient_region[std::size_t(id)];
    return region < 0 ? Tensor() : region_tensor(region, binding.types[std::size_t(id)]);
  };
  // Gradients, by place, in order of time: losses write during forward, the others backward.
  std::set<const void*> written;
  binding.nodes.resize(program_.nodes.size());
  for (std::size_t i = 0; i < program_.nodes.size(); ++i) {
    const Node& node = program_.nodes[i];
    const auto id = static_cast<NodeId>(i);
    const Traits traits = node.layer->traits();
    BoundNode& bound = binding.nodes[i];
    for (std::size_t k = 0; k < node.inputs.size(); ++k) {
      bound.x.push_back(value_tensor(node.inputs[k]));
      bound.backward_x.push_back(traits.backward_reads_x ? bound.x.back() : Tensor());
      bound.types.push_back(bound.x.back().type());
      const GradientMode mode = differentiation_.mode(program_, id, static_cast<int>(k));
      bound.dx.push_back(mode == GradientMode::none
                             ? Gradient{}
                             : Gradient{gradient_tensor(node.inputs[k]), mode});
    }
    for (ValueId output : node.outputs) {
      bound.y.push_back(value_tensor(output));
      bound.backward_y.push_back(traits.backward_reads_y ? bound.y.back() : Tensor());
      bound.dy.push_back(gradient_tensor(output));
    }
    if (differentiation_.makes_gradient[i]) bind_parameters(id, written, bound);
  }
  for (const Call& call : differentiation_.calls.calls())
    if (call.pass == Pass::backward)
      bind_parameters(call.node, written, binding.nodes[std::size_t(call.node)]);
  for (const MemoryPlan::StatePlace& place : plan_.states)
    binding.nodes[std::size_t(place.node)].states.push_back(
        {.live = place.state.tensor(), .before = region_tensor(place.region, place.state.type())});
  return binding;
}

void Graph::bind_parameters(NodeId node, std::set<const void*>& written, BoundNode& bound) const {
  const Declarations& declared = declarations_[std::size_t(node)];
  for (const Parameter& parameter : declared.parameters) {
    if (!parameter.trainable()) continue;
    const Tensor& place = parameter.gradient();
    const bool first = written.insert(place.data()).second;
    const auto narrow = std::ranges::find(declared.narrow_gradients, parameter,
                                          &Declarations::NarrowGradient::parameter);
    if (narrow != declared.narrow_gradients.end()) {
      const Tensor& made = narrow->slot.tensor();
      const Gradient gradient{Tensor(made.data(), made.dtype(), parameter.shape()),
                              GradientMode::overwrite};
      bound.first_gradients.push_back({parameter, gradient});
      bound.later_gradients.push_back({parameter, gradient});
      bound.widened.push_back({made, parameter.stored(place), first});
      continue;
    }
    bound.first_gradients.push_back(
        {parameter, {place, first ? GradientMode::overwrite : GradientMode::accumulate}});
    bound.later_gradients.push_back({parameter, {place, GradientMode::accumulate}});
  }
}

void Graph::set_batch(std::int64_t batch) {
  ADJOINT_CHECK(compiled(), "Graph: compile() it before running it");
  ADJOINT_CHECK(batch >= 1 && batch <= max_batch_, "Graph: expected a batch of 1 to ", max_batch_,
                " (what it was recorded for), got ", batch);
  auto found = bindings_.find(batch);
  if (found == bindings_.end()) {
    Binding made = bind(batch);
    for (std::size_t i = 0; i < program_.nodes.size(); ++i)
      program_.nodes[i].layer->prepare(context_, made.nodes[i].types,
                                       made.nodes[i].first_gradients);
    found = bindings_.emplace(batch, std::move(made)).first;
  }
  batch_ = batch;
  bound_ = &found->second;
}

// ---- running

std::span<const ParameterGradient> Graph::parameter_gradients(const BoundNode& bound) const {
  const bool adds = accumulating_ && !store().accumulated().defined();
  return adds ? bound.later_gradients : bound.first_gradients;
}

void Graph::widen_gradients(const BoundNode& bound) {
  for (const BoundNode::Widened& each : bound.widened) {
    const bool overwrites = each.first && !accumulating_;
    contribute(context_.stream(),
               {each.place, overwrites ? GradientMode::overwrite : GradientMode::accumulate},
               each.made);
  }
}

void Graph::check_alive() const {
  ADJOINT_CHECK(
      !context_lives_.expired(),
      "Graph: its context is gone; keep the context as long as the graphs that run on it");
  ADJOINT_CHECK(compiled(), "Graph: compile() it before running it");
}

void Graph::forward() {
  check_alive();
  if (context_.training()) {
    ADJOINT_CHECK(!given_up_ || !accumulating_,
                  "Graph: the step before did not end, and the gradient it was to add to is "
                  "lost; begin the update anew with set_accumulating(false)");
    given_up_ = false;
  }
  run_guarded([&] {
    // Later micro-steps leave it: a skipped update takes all of its passes back.
    if (context_.training() && !accumulating_) store().keep_running_state(context_.stream());
    run_calls(0, differentiation_.calls.turn());
  });
}

template <class Body>
void Graph::run_guarded(const Body& body) {
  try {
    body();
  } catch (...) {
    if (context_.training()) give_up();
    throw;
  }
}

// No update will follow: what it would have skipped is taken back here.
void Graph::give_up() {
  given_up_ = true;
  Stream& stream = context_.stream();
  if (stream.capturing()) return;  // a recording that will be dropped, and nothing has run
  if (side_) {
    Event end;
    end.record(*side_);
    stream.wait(end);
  }
  store().bring_back_running_state(stream);
}

void Graph::run_calls(std::size_t begin, std::size_t end) {
  for (std::size_t moment = begin; moment < end; ++moment) {
    const Call& call = differentiation_.calls.calls()[moment];
    if (call.node < 0 && !last_of_update_) continue;
    Stream& stream = call.stream == Lane::main ? context_.stream() : *side_;
    for (int wait : call.waits) stream.wait(events_.at(wait));
    switch (call.pass) {
      case Pass::forward:
        if (context_.training()) keep_states(call.node);
        run_node_forward(call.node);
        break;
      case Pass::recompute:
        if (context_.training()) bring_back_states(call.node);
        run_node_forward(call.node);
        break;
      case Pass::backward:
        run_node_backward(call.node);
        break;
      case Pass::hook:
        run_hook(call, stream);
        break;
      case Pass::join:
        break;
    }
    if (const auto event = events_.find(static_cast<int>(moment)); event != events_.end())
      event->second.record(stream);
  }
}

void Graph::run_hook(const Call& call, Stream& stream) {
  const GradientRange& range = gradient_ranges_[std::size_t(call.range)];
  add_to_sums(range, stream);
  on_gradient_({.range = range, .values = slice(slab().gradient, range), .stream = stream});
}

// Where micro-steps are summed in memory of their own.
void Graph::add_to_sums(const GradientRange& range, Stream& stream) {
  const Tensor& sums = store().accumulated();
  if (!sums.defined()) return;
  contribute(
      stream,
      {slice(sums, range), accumulating_ ? GradientMode::accumulate : GradientMode::overwrite},
      slice(store().computed_gradient(), range));
}

// A node that runs forward twice finds its running state the second time as it did the first, and
// so leaves the same.
void Graph::keep_states(NodeId node) {
  for (const BoundNode::State& state : bound_->nodes[std::size_t(node)].states)
    copy_on_device(context_.stream(), state.before.data(), state.live.data(), state.live.bytes());
}

void Graph::bring_back_states(NodeId node) {
  for (const BoundNode::State& state : bound_->nodes[std::size_t(node)].states)
    copy_on_device(context_.stream(), state.live.data(), state.before.data(), state.live.bytes());
}

void Graph::run_node_forward(NodeId node) {
  Layer& layer = *program_.nodes[std::size_t(node)].layer;
  const BoundNode& bound = bound_->nodes[std::size_t(node)];
  if (!layer.traits().gradient_in_forward) {
    layer.run_forward(context_, {.x = bound.x, .y = bound.y, .dx = {}});
  } else if (context_.training() && differentiation_.makes_gradient[std::size_t(node)]) {
    layer.run_forward(
        context_,
        {.x = bound.x, .y = bound.y, .dx = bound.dx, .parameters = parameter_gradients(bound)});
    widen_gradients(bound);
  } else {
    const std::vector<Gradient> unwanted(bound.x.size());
    layer.run_forward(context_, {.x = bound.x, .y = bound.y, .dx = unwanted});
  }
}

void Graph::backward() {
  check_alive();
  ADJOINT_CHECK(!given_up_, "Graph: expected forward() before backward(): the step before did not ",
                "end");
  run_guarded([&] {
    for (ValueId loss : ones_)
      fill(context_.stream(), gradient(Value(this, loss)), context_.loss_scale());
    run_calls(differentiation_.calls.turn(), differentiation_.calls.calls().size());
    const bool summed = !gradient_ranges_.empty() && last_of_update_;  // range by range
    if (!summed) add_to_sums({0, store().computed_gradient().count()}, context_.stream());
  });
}

void Graph::run_node_backward(NodeId node) {
  const BoundNode& bound = bound_->nodes[std::size_t(node)];
  program_.nodes[std::size_t(node)].layer->run_backward(context_,
                                                        {.x = bound.backward_x,
                                                         .y = bound.backward_y,
                                                         .dy = bound.dy,
                                                         .dx = bound.dx,
                                                         .parameters = parameter_gradients(bound)},
                                                        bound.types);
  widen_gradients(bound);
}

void Graph::set_accumulating(bool accumulate) {
  ADJOINT_CHECK(!accumulate || size_of(slab().gradient.dtype()) > 2, "Graph: gradients in ",
                name(slab().gradient.dtype()),
                " are accumulated in float32 memory of their own; compile with accumulate = true");
  accumulating_ = accumulate;
}

void Graph::verify() {
  for (const Node& node : program_.nodes) node.layer->verify(context_);
}

// ---- reading

const ParameterStore& Graph::store() const {
  ADJOINT_CHECK(compiled(), "Graph: it has parameters only after compile()");
  return *weights_.store_;
}

const std::vector<Parameter>& Graph::parameters() const {
  ADJOINT_CHECK(compiled(), "Graph: it has parameters only after compile()");
  return parameters_;
}

const TensorType& Graph::bound_type(const Value& value) const {
  ADJOINT_CHECK(compiled(), "Graph: values have memory only after compile()");
  ADJOINT_CHECK(&value.graph() == this, "Graph: a value of another graph was used");
  return bound_->types[std::size_t(value.id())];
}

Tensor Graph::tensor(const Value& value) const {
  const TensorType& type = bound_type(value);
  const int region = plan_.value_region[std::size_t(value.id())];
  const ValueInfo& info = program_.values[std::size_t(value.id())];
  ADJOINT_CHECK(region >= 0, "Graph: ", info.name,
                " was rewritten away; name it in CompileOptions::outputs");
  ADJOINT_CHECK(plan_.regions[std::size_t(region)].last == differentiation_.calls.after(),
                "Graph: the memory of ", info.name,
                " is reused during the step; name it in CompileOptions::outputs to read it");
  return region_tensor(region, type);
}

Tensor Graph::gradient(const Value& value) const {
  const TensorType& type = bound_type(value);
  const int region = plan_.gradient_region[std::size_t(value.id())];
  const ValueInfo& info = program_.values[std::size_t(value.id())];
  ADJOINT_CHECK(region >= 0 || !info.wants_gradient, "Graph: ", info.name,
                " has no gradient: no loss and no seed of CompileOptions is computed from it");
  ADJOINT_CHECK(
      region >= 0, "Graph: ", info.name, " has no gradient; ",
      info.producer >= 0 ? "name it in CompileOptions::seeds" : "record it with wants_gradient");
  const bool seed =
      std::ranges::find(differentiation_.seeds, value.id()) != differentiation_.seeds.end();
  ADJOINT_CHECK(seed || plan_.regions[std::size_t(region)].last == differentiation_.calls.after(),
                "Graph: the memory of the gradient of ", info.name,
                " is reused during the step; record an input with wants_gradient to read it");
  return region_tensor(region, type);
}

std::int64_t Graph::forward_multiply_adds() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < program_.nodes.size(); ++i)
    total += program_.nodes[i].layer->multiply_adds(bound_->nodes[i].types);
  return total;
}

// Of the gradients that a node makes, in either pass.
std::int64_t Graph::gradient_multiply_adds(std::size_t node) const {
  const BoundNode& bound = bound_->nodes[node];
  return program_.nodes[node].layer->backward_multiply_adds(bound.types, bound.dx,
                                                            bound.first_gradients);
}

std::int64_t Graph::backward_multiply_adds() const {
  std::int64_t total = early_multiply_adds();
  for (const Call& call : differentiation_.calls.calls()) {
    const auto i = static_cast<std::size_t>(call.node);
    if (call.pass == Pass::backward) total += gradient_multiply_adds(i);
    if (call.pass == Pass::recompute)
      total += program_.nodes[i].layer->multiply_adds(bound_->nodes[i].types);
  }
  return total;
}

std::int64_t Graph::early_multiply_adds() const {
  std::int64_t total = 0;
  for (std::size_t i = 0; i < program_.nodes.size(); ++i)
    if (differentiation_.makes_gradient[i]) total += gradient_multiply_adds(i);
  return total;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
