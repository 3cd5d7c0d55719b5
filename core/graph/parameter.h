// Parameters: what a model learns. A Parameter is a handle; copies of it, and so copies of a layer,
// share one set of weights. Its tensors lie in slabs (core/graph/weights.h), all parameters
// together in build order and their gradients likewise, so that one launch updates all of them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/tensor/gradient.h"
#include "core/tensor/initializer.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What a layer declares of a parameter.
struct ParameterSpec {
  std::string name;  ///< within the layer: "weight"
  Shape shape;       ///< what it is: what files hold and optimizers count
  Initializer initializer;
  /// Rows in memory, where hardware wants more than shape[0]: those behind are zeros, and so are
  /// their gradients, which layers see to. 0: as many as there are.
  std::int64_t stored_rows = 0;
};

class Parameter {
 public:
  /// A new parameter, not yet declared.
  Parameter() : state_(std::make_shared<State>()) {}
  /// The same of a shape that its layer knows before it is built, so that other layers can be tied
  /// to it.
  explicit Parameter(const Shape& shape) : Parameter() { state_->spec.shape = shape; }

  /// Name in the whole model, "linear2.weight"; what files use.
  const std::string& name() const { return state_->name; }
  /// Rank 0 as long as it is not known.
  const Shape& shape() const { return state_->spec.shape; }
  const Initializer& initializer() const { return state_->spec.initializer; }
  std::int64_t count() const { return shape().count(); }

  /// The shape in memory: with the rows that ParameterSpec::stored_rows asked for.
  Shape stored_shape() const {
    const ParameterSpec& spec = state_->spec;
    return spec.stored_rows > 0 ? spec.shape.with(0, spec.stored_rows) : spec.shape;
  }
  /// What lies at the place of one of the tensors below, stored rows included.
  Tensor stored(const Tensor& tensor) const {
    return tensor.defined() ? Tensor(tensor.data(), tensor.dtype(), stored_shape()) : tensor;
  }

  /// The values that layers compute with, in the graph's compute type. Undefined before compile.
  const Tensor& value() const { return state_->value; }
  /// The float32 (float64 in float64 graphs) values that the optimizer updates; the same memory as
  /// value() unless the compute type is narrower.
  const Tensor& master() const { return state_->master; }
  /// Where the gradients of all graphs over the same weights are put or added up; undefined for
  /// frozen parameters. What a layer's call is to do there, it is told: ParameterGradients.
  const Tensor& gradient() const { return state_->gradient; }

  bool trainable() const { return state_->trainable; }
  /// Freezes or releases the parameter. Throws Error once the graph is compiled: slabs and the
  /// backward pass are made then.
  void set_trainable(bool trainable) {
    ADJOINT_CHECK(!state_->value.defined(), name(),
                  ": expected set_trainable() before the graph is compiled");
    state_->trainable = trainable;
  }

  /// Whether two handles stand for one parameter.
  bool operator==(const Parameter& other) const { return state_ == other.state_; }

 private:
  friend class Builder;
  friend class ParameterList;
  friend class ParameterStore;
  struct State {
    std::string name;
    ParameterSpec spec;
    bool trainable = true;
    Tensor value, master, gradient;
    const void* owner = nullptr;  ///< the ParameterStore that placed them
  };
  std::shared_ptr<State> state_;
};

/// Where one call puts the gradient of one parameter.
struct ParameterGradient {
  Parameter parameter;
  Gradient gradient;
};

/// Where one call puts the gradients of its layer's parameters.
class ParameterGradients {
 public:
  ParameterGradients() = default;
  ParameterGradients(std::span<const ParameterGradient> all) : all_(all) {}
  ParameterGradients(const std::vector<ParameterGradient>& all) : all_(all) {}
  /// Of mode `none` for frozen parameters, and where none are wanted.
  Gradient of(const Parameter& parameter) const {
    for (const ParameterGradient& each : all_)
      if (each.parameter == parameter) return each.gradient;
    return {};
  }
  bool any_wanted() const {
    for (const ParameterGradient& each : all_)
      if (each.gradient.wanted()) return true;
    return false;
  }

 private:
  std::span<const ParameterGradient> all_;
};

/// Where a parameter lies in its slab.
struct ParameterRange {
  std::string name;
  Shape shape;
  std::int64_t offset = 0;  ///< in elements, a multiple of kParameterAlignment
  std::int64_t count() const { return shape.count(); }
};

/// Parameters begin at multiples of this many elements of their slab, so that every one is aligned
/// for vector loads and matrix products in every type.
inline constexpr std::int64_t kParameterAlignment = 64;

/// What layers keep beside parameters and training passes move (Builder::state: running
/// statistics), flat likewise. All undefined where no layer has any.
struct RunningState {
  Tensor live;    ///< uint8 [bytes], of 8-byte words: what layers read and write
  Tensor before;  ///< likewise: as it was before the first training pass of the update under way
  /// The numbers in it that a moving average of the model takes in: states of the masters' type.
  Tensor averaged;
};

/// All trainable parameters as flat ranges of equal length, gaps between parameters being zero in
/// each. What optimizers see.
struct ParameterSlab {
  Tensor master;    ///< float32 or float64 [count]
  Tensor gradient;  ///< [count], unnormalised: summed over samples
  Tensor compute;   ///< 16-bit copy to refresh with each update; undefined where master is what
                    ///< layers use
  /// In the order they lie; what none of them covers is padding.
  std::vector<ParameterRange> parameters = {};
  /// Taken back by an update that is skipped, so that such an update changes nothing at all.
  RunningState running = {};
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
