// A sequential graph that differentiates itself. Writing the forward computation records it;
// compile() derives the backward pass, rewrites, plans memory and allocates; forward() and
// backward() run it.
//
//   Graph graph(context);
//   Value image = graph.input({batch, 1, 28, 28});
//   Value label = graph.input({batch}, DType::int32);
//   Value hidden = relu(linear(flatten(image), 512));
//   Value loss = softmax_cross_entropy(linear(hidden, 10), label);
//   graph.compile({.losses = {loss}});
//
// The leading axis of every input that is per sample is the batch. A compiled graph runs any batch
// up to the one recorded.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/graph/gradient_ranges.h"
#include "core/graph/plan.h"
#include "core/graph/program.h"
#include "core/graph/recompute.h"
#include "core/graph/weights.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class Graph;

/// A value of a graph: what an input holds or a layer makes. A handle, valid as long as its graph.
class Value {
 public:
  Value() = default;
  Value(Graph* graph, ValueId id) : graph_(graph), id_(id) {}
  Graph& graph() const;
  ValueId id() const { return id_; }
  const TensorType& type() const;
  const Shape& shape() const { return type().shape; }

 private:
  Graph* graph_ = nullptr;
  ValueId id_ = -1;
};

/// What an input is called and holds.
struct InputOptions {
  std::string name;             ///< for messages; "input1" and so on by default
  bool wants_gradient = false;  ///< backward makes its gradient too
  /// Whether the leading axis is the batch. Without, the input has one shape for every batch: a
  /// table, positions, a mask that all samples share.
  bool per_sample = true;
};

/// What becomes of trainable parameters that no gradient of the losses reaches.
enum class UnusedParameters : std::uint8_t {
  refuse,  ///< compile() throws Error naming them: they would decay and never learn
  allow,   ///< their gradients are zeros
};

/// A range of a graph whose results backward makes again instead of finding them kept: all layers
/// on the way from one value to another, for less memory at the cost of a second forward pass
/// through them.
struct Recompute {
  Value from;  ///< what the range reads, and is kept
  Value to;    ///< what it makes; kept only as long as others need it
};

/// Ranges from each value to the next: every block of a deep model, from x through h1 and h2, is
/// every_block({x, h1, h2}).
std::vector<Recompute> every_block(const std::vector<Value>& ends);

/// What is trained and kept, in which numbers, and by which passes.
struct CompileOptions {
  /// What is minimised: totals of loss layers, or any floating value, whose elements' sum is meant.
  std::vector<Value> losses;
  /// Values to be read after forward(), beside the losses.
  std::vector<Value> outputs;
  /// Values whose gradients the caller writes to gradient(value) before backward(): for graphs
  /// without a loss of their own.
  std::vector<Value> seeds;
  /// What layers compute in; inputs of another floating type are cast. With bfloat16 and float16,
  /// parameters have a float32 master that the optimizer updates, and gradients are in the compute
  /// type.
  DType compute_type = DType::float32;
  /// Gradients of several micro-steps will be added (set_accumulating). With a 16-bit compute type
  /// they are then added up in a float32 slab of their own, where small contributions are not lost:
  /// one kernel at the end of each backward.
  bool accumulate = false;
  /// With a 16-bit compute type: gradients of parameters are float32, so that what is added to one
  /// several times, by tied weights or over micro-steps, does not get lost in it. Layers that can
  /// write them so do (Builder::writes_float32_gradient), those of others are added there.
  bool float32_gradients = false;
  /// Ranges that are computed again in backward, each just before it is needed, with the random
  /// numbers of the first time and gradients equal to the bit; running state moves once. Rewrites
  /// join no layers of different ranges.
  std::vector<Recompute> recompute = {};
  /// Called during backward(), in a fixed order, once for each range of the gradient slab, as soon
  /// as that range is final: for an all-reduce under backward. Seen in the list of calls, captured
  /// with the step. Over several micro-steps it is called in the last one (set_last_of_update).
  /// What it throws comes out of backward(), and nothing of the step is left. Of weights that
  /// several graphs add to, it belongs to the graph that runs last.
  GradientHook on_gradient = {};
  /// Ranges have at least as many bytes, but for one; 0: one range for each parameter.
  std::size_t gradient_bucket_bytes = std::size_t{25} << 20;
  /// Hooks run on a stream of their own beside backward(), which that of the context joins at the
  /// end.
  bool side_stream = false;
  /// Names of rewrites not to be made.
  std::vector<std::string> disabled_rewrites;
  bool rewrite = true;
  /// Where there are losses.
  UnusedParameters unused_parameters = UnusedParameters::refuse;
  /// Whether notices() are logged.
  bool log_notices = true;
  /// See PlanOptions::reuse. Off in checking builds, so that every buffer has red zones.
#if defined(ADJOINT_CHECKED)
  bool reuse_memory = false;
#else
  bool reuse_memory = true;
#endif
};

/// A model, recorded, then compiled, then run: see the head of this file. Not to be used from two
/// threads at once.
class Graph {
 public:
  /// With weights of its own.
  explicit Graph(Context& context);
  /// Over weights that other graphs may use as well, on their context's stream.
  explicit Graph(const Weights& weights);
  /// The same on the stream of another context, with its mode (training or not) and its random
  /// numbers. What graphs on different streams do to the weights they must order by events.
  Graph(const Weights& weights, Context& context);
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;

  // ---- recording

  /// A tensor that the caller fills: [batch, ...], or of any shape where it is not per sample.
  /// Throws Error for a scalar, for another batch than that of earlier inputs, and once compiled.
  Value input(const Shape& shape, DType type = DType::float32, const InputOptions& options = {});
  /// Applies a layer; a layer object applied again shares its parameters. `name` names its
  /// parameters in files and must be new; by default it is the kind of layer and a number.
  std::vector<Value> apply(std::shared_ptr<Layer> layer, const std::vector<Value>& inputs,
                           const std::string& name = "");
  /// The same for a layer by value with a single output.
  template <class ConcreteLayer>
  requires std::derived_from<ConcreteLayer, Layer> Value apply(ConcreteLayer layer,
                                                               const std::vector<Value>& inputs,
                                                               const std::string& name = "") {
    const std::vector<Value> outputs =
        apply(std::make_shared<ConcreteLayer>(std::move(layer)), inputs, name);
    ADJOINT_CHECK(outputs.size() == 1, "Graph: this layer makes ", outputs.size(),
                  " values; apply it as a shared_ptr to get them all");
    return outputs[0];
  }

  // ---- compiling

  /// Once. Throws Error if the graph is empty, was compiled before, a value is of another graph,
  /// nothing lies in a range to be recomputed or a layer lies in two, the compute type is not
  /// floating, the weights are others than this graph's (Weights), a gradient would have to pass
  /// through a layer without backward, or, with losses, none reaches a trainable parameter
  /// (CompileOptions::unused_parameters).
  void compile(const CompileOptions& options);
  bool compiled() const { return compiled_; }

  // ---- running: what needs the memory that compile() makes throws Error before it

  /// Chooses how many entries of the leading axis the next calls work on, up to the batch recorded.
  /// The first call for a batch prepares the layers, which may allocate; later ones are free.
  void set_batch(std::int64_t batch);
  std::int64_t batch() const { return batch_; }
  std::int64_t max_batch() const { return max_batch_; }
  /// Puts the forward pass on the context's stream; while training, losses also make their
  /// gradients, and running state moves, which is kept first (one copy) unless gradients
  /// accumulate: Optimizer::step() brings it back where it skips the update.
  void forward();
  /// Puts the backward pass on the stream. Parameter gradients are overwritten, or added to the
  /// previous ones after set_accumulating(true). Where forward() or this throws, running state is
  /// as before the update under way, whose gradient is lost: the next forward() must begin a new
  /// one.
  void backward();
  /// Whether parameter gradients add to those of the step before. Takes effect at the next
  /// forward(). With a 16-bit compute type only where CompileOptions::accumulate said so.
  void set_accumulating(bool accumulate);
  /// Whether the next backward() is the last before an update, as all are at first: hooks on
  /// gradients are called only then.
  void set_last_of_update(bool last) { last_of_update_ = last; }

  /// Waits for the device and throws Error if a layer met invalid data, such as a label out of
  /// range.
  void verify();

  /// Memory of an input, output, loss or seed, in the present batch's shape.
  Tensor tensor(const Value& value) const;
  /// Memory of the gradient of a seed, or of an input that wants one, in the present batch's shape.
  Tensor gradient(const Value& value) const;

  /// Those that the graph computes with, in build order; of weights of its own, all there are.
  const std::vector<Parameter>& parameters() const;
  // The weights': see Weights.
  const Weights& weights() const { return weights_; }
  const std::vector<Slot>& states() const { return store().states(); }
  ParameterSlab slab() const { return store().slab(); }
  void refresh_parameters() const { store().refresh(context_.stream()); }

  // ---- looking

  /// What compile() found that is allowed, but as good as always a mistake (core/graph/notices.h);
  /// it logs each as a warning.
  const std::vector<std::string>& notices() const { return notices_; }
  Context& context() const { return context_; }
  const Program& program() const { return program_; }
  const MemoryPlan& plan() const { return plan_; }
  const Differentiation& differentiation() const { return differentiation_; }
  /// The ranges that a hook on gradients is called for, in that order.
  const std::vector<GradientRange>& gradient_ranges() const { return gradient_ranges_; }
  /// Multiply-adds of one forward pass, and of the products that gradients and recomputed ranges
  /// add, at the present batch.
  std::int64_t forward_multiply_adds() const;
  std::int64_t backward_multiply_adds() const;
  /// Of the latter, those of losses that make their gradients while forward runs.
  std::int64_t early_multiply_adds() const;

 private:
  // What one node is called with at one batch.
  struct BoundNode {
    std::vector<Tensor> x, y, backward_x, backward_y, dy;
    std::vector<Gradient> dx;
    Signature types;
    /// Where the gradients of its parameters go, in the first step of an accumulation window and in
    /// later ones.
    std::vector<ParameterGradient> first_gradients, later_gradients;
    /// Gradients made in memory of the compute type, and the float32 places they belong to.
    struct Widened {
      Tensor made, place;
      bool first = false;  ///< nothing else is there yet, in the first step of a window
    };
    std::vector<Widened> widened;
    /// Running state of a node that is recomputed, and where it is kept as it was before.
    struct State {
      Tensor live, before;
    };
    std::vector<State> states;
  };
  struct Binding {
    std::vector<TensorType> types;  // of every value
    std::vector<BoundNode> nodes;
  };

  const ParameterStore& store() const;
  void check_alive() const;
  std::vector<ValueId> ids(const std::vector<Value>& values) const;
  std::vector<RangeEnds> range_ends(const std::vector<Recompute>& ranges) const;
  void allocate(bool reuse);
  void allocate_persistent();
  std::vector<TensorType> types_for(std::int64_t batch) const;
  Binding bind(std::int64_t batch) const;
  Tensor region_tensor(int region, const TensorType& type) const;
  void bind_parameters(NodeId node, std::set<const void*>& written, BoundNode& bound) const;
  std::span<const ParameterGradient> parameter_gradients(const BoundNode& bound) const;
  void widen_gradients(const BoundNode& bound);
  void hook_gradients(const CompileOptions& options, const std::vector<Parameter>& parameters);
  template <class Body>
  void run_guarded(const Body& body);
  void give_up();
  void run_calls(std::size_t begin, std::size_t end);
  void run_hook(const Call& call, Stream& stream);
  void add_to_sums(const GradientRange& range, Stream& stream);
  std::int64_t gradient_multiply_adds(std::size_t node) const;
  void keep_states(NodeId node);
  void bring_back_states(NodeId node);
  void run_node_forward(NodeId node);
  void run_node_backward(NodeId node);
  const TensorType& bound_type(const Value& value) const;

  Context& context_;
  std::weak_ptr<const void> context_lives_;
  Weights weights_;
  Program program_;
  std::vector<std::string> notices_;
  std::vector<Declarations> declarations_;
  Differentiation differentiation_;
  MemoryPlan plan_;
  std::vector<Parameter> parameters_;
  Buffer arena_, persistent_;
  std::vector<Buffer> separate_;  // one a region where memory is not reused
  std::vector<void*> region_data_;
  std::vector<ValueId>
      ones_;                // seeds that the graph itself fills: losses without gradient_in_forward
  bool compiling_ = false;  // compile() was called
  bool compiled_ = false;   // and has ended
  std::int64_t max_batch_ = 0;
  std::int64_t batch_ = 0;
  bool accumulating_ = false;
  bool last_of_update_ = true;
  bool given_up_ = false;  ///< the pass before threw
  GradientHook on_gradient_;
  std::vector<GradientRange> gradient_ranges_;
  std::optional<Stream> side_;
  std::map<int, Event> events_;  ///< of the moments that another stream waits for
  std::map<std::int64_t, Binding> bindings_;
  const Binding* bound_ = nullptr;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
