// Weights: what a model has learned, apart from the graphs that compute with it. Any number of
// graphs work on one Weights, at the same time if need be: a training graph of a batch of 32 beside
// one that decodes a token, each with its own memory for what flows through it.
//
//   Weights weights(context);
//   Graph train(weights), decode(weights);
//
// The graph that is compiled first says what parameters and running state there are, where they lie
// and what they start from; later ones find theirs by name ("linear1.weight").
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/device/context.h"
#include "core/graph/builder.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// How weights are kept; the same for all graphs over them.
struct WeightTypes {
  /// What layers compute in.
  DType compute = DType::float32;
  /// With a 16-bit type: gradients are float32 all the same.
  bool float32_gradients = false;
  /// With a 16-bit type: a float32 slab beside the gradient's, for sums over micro-steps.
  bool accumulate = false;

  bool operator==(const WeightTypes&) const = default;
};

/// The memory behind Weights: slabs in build order, gradients likewise, and running state.
class ParameterStore {
 public:
  explicit ParameterStore(Context& context) : context_(context) {}
  /// Takes the memory from the parameters: their layers may go into other graphs.
  ~ParameterStore();
  ParameterStore(const ParameterStore&) = delete;
  ParameterStore& operator=(const ParameterStore&) = delete;

  /// For the first graph that is compiled: allocates and initialises the parameters in their order,
  /// trainable ones in one slab, frozen ones in another, and the running state of all declarations.
  /// For later ones: gives parameters and states the memory of those of the same names. Puts
  /// work on the context's stream.
  void bind(const std::vector<Parameter>& parameters, const std::vector<Declarations>& declarations,
            const WeightTypes& types);
  /// What bind() would refuse, before anything else is done: throws Error if two parameters have
  /// one name, or, naming both sides, where a later graph has parameters that the first one has
  /// not, of other shapes, or types other than its. Parameters that were frozen then are so from
  /// now on.
  void check(const std::vector<Parameter>& parameters, const WeightTypes& types) const;
  bool allocated() const { return allocated_; }
  /// Where trainable parameters lie in their slab: as they do or, before bind(), as they will.
  std::vector<ParameterRange> layout(const std::vector<Parameter>& parameters) const;
  /// Elements of that slab.
  std::int64_t layout_count(const std::vector<Parameter>& parameters) const;

  Context& context() const { return context_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  const std::vector<Slot>& states() const { return saved_states_; }
  ParameterSlab slab() const {
    return {learned_.master, accumulated_.defined() ? accumulated_ : gradient_, learned_.compute,
            learned_ranges_, running_};
  }
  /// What layers write; and the float32 sums over micro-steps, undefined where the former can hold
  /// them.
  const Tensor& computed_gradient() const { return gradient_; }
  const Tensor& accumulated() const { return accumulated_; }
  void refresh(Stream& stream) const;
  /// Copies the running state to where a skipped update finds it; puts nothing on the stream where
  /// there is none.
  void keep_running_state(Stream& stream) const;
  /// The other way: takes back what has moved since.
  void bring_back_running_state(Stream& stream) const;

 private:
  // One slab's worth of parameters: those that learn, or the frozen ones.
  struct Slab {
    Buffer master_buffer, compute_buffer;
    Tensor master, compute;
  };
  void allocate(const std::vector<Parameter>& parameters,
                const std::vector<Declarations>& declarations);
  Slab allocate_slab(const std::vector<Parameter>& parameters, const std::string& owner);
  Tensor zeroed(Buffer& buffer, DType type, std::int64_t count, const std::string& owner);
  void place(const std::vector<Parameter>& parameters, const Slab& slab, const Tensor& gradient);
  void initialize_values();
  void place_states(DType master_type);
  const Parameter* find(const std::string& name) const;
  void bind_parameter(const Parameter& parameter);
  void bind_state(const Declarations::State& state) const;

  Context& context_;
  bool allocated_ = false;
  WeightTypes types_;
  std::vector<Parameter> parameters_;
  std::vector<Declarations::State> states_;
  std::vector<Slot> saved_states_;
  std::unordered_map<std::string, std::size_t> parameter_of_name_, state_of_name_;
  std::vector<std::weak_ptr<Parameter::State>> bound_;  // of later graphs
  Slab learned_, frozen_;
  std::vector<ParameterRange> learned_ranges_;
  Tensor gradient_, accumulated_;
  RunningState running_;
  Buffer gradient_buffer_, accumulated_buffer_, state_buffer_, kept_state_buffer_;
};

/// A handle, like Parameter: copies stand for the same weights, and graphs over them hold one.
class Weights {
 public:
  /// Parameters lie on the context's device, and are initialised by its seed.
  explicit Weights(Context& context) : store_(std::make_shared<ParameterStore>(context)) {}

  Context& context() const { return store_->context(); }
  // What follows throws Error before the first graph over the weights has been compiled.

  /// In build order, frozen ones included.
  const std::vector<Parameter>& parameters() const { return allocated().parameters(); }
  /// Running state that is saved with the model, in build order.
  const std::vector<Slot>& states() const { return allocated().states(); }
  /// All trainable parameters and their gradients, for an optimizer.
  ParameterSlab slab() const { return allocated().slab(); }
  /// After parameters, their master(), or states() were written by other than optimizer and layers:
  /// makes layers see the former, and no skipped update bring back what the latter were. Puts work
  /// on the context's stream.
  void refresh() const { allocated().refresh(context().stream()); }

 private:
  friend class Graph;
  const ParameterStore& allocated() const;

  std::shared_ptr<ParameterStore> store_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
