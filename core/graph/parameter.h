// Parameters: what a model learns. A Parameter is a handle; copies of it, and so copies of a layer,
// share one set of weights. Its tensors lie in slabs that the graph allocates, all parameters
// together in build order and their gradients likewise, so that one launch updates all of them.
#pragma once

#include <cstdint>
#include <memory>
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
  Shape shape;
  Initializer initializer;
};

class Parameter {
 public:
  /// A new parameter, not yet declared.
  Parameter() : state_(std::make_shared<State>()) {}

  /// Name in the whole model, "linear2.weight"; what files use.
  const std::string& name() const { return state_->name; }
  const Shape& shape() const { return state_->spec.shape; }
  const Initializer& initializer() const { return state_->spec.initializer; }
  std::int64_t count() const { return shape().count(); }

  /// The values that layers compute with, in the graph's compute type. Undefined before compile.
  const Tensor& value() const { return state_->value; }
  /// The float32 (float64 in float64 graphs) values that the optimizer updates; the same memory as
  /// value() unless the compute type is narrower.
  const Tensor& master() const { return state_->master; }
  /// Where a layer's backward puts this parameter's gradient, and whether it overwrites or adds;
  /// mode `none` for frozen parameters. The graph sets the mode before each call.
  const Gradient& gradient() const { return state_->gradient; }

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
    Tensor value, master;
    Gradient gradient;
  };
  std::shared_ptr<State> state_;
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
