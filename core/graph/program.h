// Program: a graph as plain data, a list of nodes in the order they were applied. Recording appends
// to it, compiling is a row of passes over it, each in a file of its own.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/base/abi.h"
#include "core/graph/layer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Index of a value in a program.
using ValueId = int;
/// Index of a node in a program.
using NodeId = int;

/// One application of a layer.
struct Node {
  std::string name;    ///< unique in the program: "linear2"
  bool named = false;  ///< the user chose the name: parts of a container are named under it
  std::shared_ptr<Layer> layer;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  /// Keys the layer's random numbers. Given before the rewrites, so that they change none.
  std::uint64_t place = 0;
  /// The range it is recomputed with (core/graph/recompute.h); -1 for none. Nodes of different
  /// ranges stay apart.
  int range = -1;
};

/// What flows between nodes.
struct ValueInfo {
  std::string name;             ///< of the input, or of the node that makes it
  TensorType type;              ///< at the largest batch
  NodeId producer = -1;         ///< -1 for inputs of the graph
  bool wants_gradient = false;  ///< an input whose gradient the caller asked for
  bool per_sample = true;       ///< an input whose leading axis is the batch
};

/// One or more nodes that a rewrite takes out, and the one that it puts in the place of `at`, one
/// of them.
struct Replacement {
  std::vector<NodeId> removed;
  Node node;
  NodeId at = -1;
};

/// Names that are taken, and the number that was given last to each base.
class Names {
 public:
  bool taken(const std::string& name) const { return taken_.contains(name); }
  void take(const std::string& name) { taken_.insert(name); }
  /// The base itself or the base with a number, from 1 or, where the base alone is the first, 2.
  std::string unused(const std::string& base, bool number_first);

 private:
  std::unordered_set<std::string> taken_;
  std::unordered_map<std::string, int> next_;  // by base, with a 1 where the first has one
};

struct Program {
  std::vector<Node> nodes;
  std::vector<ValueInfo> values;
  std::vector<ValueId> inputs;
  std::vector<std::string> rewrites;  ///< what the rewrite pass did, a line each

  ValueId add_input(const std::string& name, const TensorType& type, bool wants_gradient);
  /// Infers the outputs' types; throws Error naming this layer and those whose outputs it cannot
  /// take. An empty name becomes the layer's kind and a number.
  std::vector<ValueId> apply(std::shared_ptr<Layer> layer, const std::vector<ValueId>& inputs,
                             std::string name = "");
  /// A name that no node has.
  std::string unused_name(const std::string& base, bool number_first);

  /// Nodes that read each value, in order.
  std::vector<std::vector<NodeId>> consumers() const;
  Signature types(const std::vector<ValueId>& values) const;
  /// Whether nodes may become one: those of one range, or of none.
  bool may_join(const std::vector<NodeId>& nodes) const;
  /// Makes replacements, none of which touches another's nodes. Values that only removed nodes knew
  /// stay in `values`, without a producer. Throws Error for nodes that may not be joined.
  void replace(std::vector<Replacement> replacements);
  /// Sets every value's producer, and which names are taken, after nodes were moved or renamed.
  void renumber();

 private:
  Names names_;
};

/// A layer that is made of others. Graphs replace it by what `record` applies before anything else
/// happens, so it is never built and never runs.
class Container : public Layer {
 public:
  /// Applies the parts to the inputs in `program`, naming them under `scope` (empty for none).
  virtual std::vector<ValueId> record(Program& program, const std::vector<ValueId>& inputs,
                                      const std::string& scope) const = 0;

  Signature infer(const Signature& x) const final;
  void forward(Context&, const ForwardCall&) final;
  void backward(Context&, const BackwardCall&) final;
};

// The passes that change the program, in the order compile runs them.

/// Replaces containers by their parts, to the last.
void inline_containers(Program& program);
/// Gives every node its place, and a twin of its layer: what a graph tells a layer (its type, that
/// its gradient is to be deferred) and gives it (buffers) is the graph's alone.
void separate_twins(Program& program);

/// Values that a rewrite must leave to the caller.
struct CallersValues {
  std::set<ValueId> kept;  ///< losses, seeds, outputs: they must still be made
  /// Whose gradient is given between forward and backward: no layer may add to it in forward.
  std::set<ValueId> seeded;
};

/// A rewrite looks for its pattern and replaces what it finds, with the same values and gradients
/// for the caller; it reports each replacement in program.rewrites.
struct Rewrite {
  std::string name;  ///< stays the first: errors name what was compiled otherwise by it
  void (*apply)(Program& program, const CallersValues& callers);
  int order = 0;  ///< lower runs first
};
/// Registers a rewrite of this backend; layers do so where they are defined. Never throws: a name
/// that is taken, or a rewrite that was compiled otherwise than the program (core/base/abi.h), is
/// an error of rewrite().
bool register_rewrite(const Rewrite& rewrite, const char* abi = kAbiTag);
/// Runs every registered rewrite but those named in `disabled`. Throws Error for one that cannot be
/// run, naming it.
void rewrite(Program& program, const CallersValues& callers,
             const std::vector<std::string>& disabled);

/// Lets every layer declare what it needs (Layer::build), in order; parameters that `parameters`
/// does not have yet are added to it. Throws Error if a layer declares one twice.
std::vector<Declarations> build_layers(const Program& program, DType compute_type,
                                       DType gradient_type, ParameterList& parameters);

/// Makes the program compute in another type than it was recorded in: a cast after each floating
/// input that has not that type, and all types inferred anew.
void convert(Program& program, DType compute_type);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
