// What a layer declares while it is built: parameters through its handles, and slots for the
// planner.
#pragma once

#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "core/graph/parameter.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Types of a layer's inputs or outputs, in order.
using Signature = std::vector<TensorType>;
/// "float32 [2, 3], int32 [2]", or "nothing": what came, for messages of Layer::infer().
std::string types_text(const Signature& types);

/// When a scratch buffer is in use.
enum class Phase : std::uint8_t { forward, backward };

/// A buffer of a layer, declared in `build`, placed by the planner. Copies share the place.
class Slot {
 public:
  Slot() = default;
  bool declared() const { return place_ != nullptr; }
  const std::string& name() const { return place_->name; }
  const TensorType& type() const { return place_->type; }
  /// The memory as declared; throws Error before the graph has allocated it.
  Tensor tensor() const;
  /// The front of the memory as another shape of at most as many elements: what a smaller batch
  /// uses.
  Tensor view(const Shape& shape) const;

 private:
  friend class Builder;
  friend class Graph;
  friend class ParameterStore;
  friend struct Declarations;
  Slot(const std::string& name, const TensorType& type);
  struct Place {
    std::string name;
    TensorType type;
    Tensor tensor;
  };
  std::shared_ptr<Place> place_;
};

/// Everything one node's layer declares.
struct Declarations {
  struct State {
    Slot slot;
    float initial = 0.0f;
  };
  struct Scratch {
    Slot slot;
    Phase phase = Phase::forward;
  };
  std::vector<Parameter> parameters;
  /// Those whose gradients the layer can also write in float32, in a graph of a 16-bit type.
  std::vector<Parameter> float32_gradients;
  std::vector<State> states;
  std::vector<Slot> persistent;
  std::vector<Slot> saved;
  std::vector<Scratch> scratch;
  /// Scratch for the gradients of parameters that a call makes in the compute type, though they
  /// belong to float32 memory (declare_narrow_gradients).
  struct NarrowGradient {
    Parameter parameter;
    Slot slot;
  };
  std::vector<NarrowGradient> narrow_gradients;

  Slot add_scratch(const std::string& name, const TensorType& type, Phase phase);
};

/// The parameters of a model, each once, in the order in which layers declare them. The first layer
/// that declares one names it; the order says where it lies and what it starts from.
class ParameterList {
 public:
  /// `owner` is the store that parameters which have memory already must be of.
  explicit ParameterList(const void* owner = nullptr) : owner_(owner) {}
  /// Whether the parameter is new to the list, and now at its end.
  bool add(const Parameter& parameter);
  const std::vector<Parameter>& in_order() const { return in_order_; }
  const void* owner() const { return owner_; }

 private:
  const void* owner_;
  std::vector<Parameter> in_order_;
  std::unordered_set<const void*> known_;
};

class Builder {
 public:
  /// A builder for the layer of that name; what it declares is appended to `declarations`, and to
  /// `parameters` what these do not have yet.
  Builder(std::string scope, Signature inputs, Signature outputs, DType compute_type,
          DType gradient_type, std::uint64_t place, Declarations& declarations,
          ParameterList& parameters);

  /// Types of the layer's inputs and outputs at the largest batch.
  const Signature& inputs() const { return inputs_; }
  const Signature& outputs() const { return outputs_; }
  /// The layer's name, which begins those of its parameters and slots: "linear2".
  const std::string& name() const { return scope_; }
  /// The type the graph computes in: parameters' values have it.
  DType compute_type() const { return compute_type_; }
  /// The type of the memory that gradients of parameters belong to: compute_type(), or float32.
  DType gradient_type() const { return gradient_type_; }
  /// The layer's place in the graph: its random numbers are keyed by it.
  std::uint64_t place() const { return place_; }

  /// Declares a parameter through the layer's handle. One that the model has already (a twin's, or
  /// a tied one) is only checked: same shape, else Error naming both.
  void parameter(Parameter& handle, const ParameterSpec& spec);
  /// Says that the gradient of a declared parameter is written in the type of the place that a call
  /// names, which may be float32 where the graph computes in 16 bits; otherwise it is written in
  /// the compute type, and the graph adds it where it belongs.
  void writes_float32_gradient(const Parameter& parameter, bool writes = true);
  /// Running state: kept between steps and saved with the model, not differentiated. Starts at
  /// `initial`. What training passes write to it an update that is skipped takes back; moving
  /// averages of the model take in that of the masters' type.
  Slot state(const std::string& name, const TensorType& type, float initial);
  /// Kept between steps, zero at the start, the graph's own, nor taken back: error words,
  /// counters that kernels leave as they found them.
  Slot persistent(const std::string& name, const TensorType& type);
  /// Saved by forward for backward: lives from the one to the other.
  Slot saved(const std::string& name, const TensorType& type);
  /// Scratch within one call of the phase.
  Slot scratch(const std::string& name, const TensorType& type, Phase phase);
  /// A builder for a part of this layer that was a layer named `scope` of its own before a rewrite.
  Builder part(const std::string& scope, Signature inputs, Signature outputs) const;

 private:
  Slot slot(const std::string& name, const TensorType& type) const;

  std::string scope_;
  Signature inputs_, outputs_;
  DType compute_type_, gradient_type_;
  std::uint64_t place_;
  Declarations* declarations_;
  ParameterList* parameters_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
