// The contract of a layer, told once.
//
// A layer is a differentiable function with state on the device. It owns its buffers - parameters,
// their gradients, running state, what forward saves for backward, scratch - as handles that
// `build` declares and the graph's planner places. The graph owns what is carried between layers,
// the context what all share.
//
// Life of a layer: recorded in a graph by value; `infer` says what it makes of its inputs; `build`
// declares its buffers, sized for the largest batch, before the rewrites and again after them: the
// last call counts, the first one names and orders parameters; `prepare` lets it choose engines for
// each batch shape met; `forward` and `backward` put kernels on context.stream(). These last two
// allocate nothing, copy nothing to the host and wait for nothing, so that a whole step can be
// captured and replayed. Calls may come with a smaller leading extent (batch) than the layer was
// built for; sizes are read from the tensors of the call.
//
// Glossary, the same everywhere: x inputs, y outputs, dy gradients of the loss with respect to y,
// dx likewise for x; weight, bias and their gradients; rows x cols for matrices, batch, channels,
// height, width for images. Gradients are sums over samples, not means: the optimizer divides once.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/device/context.h"
#include "core/graph/builder.h"
#include "core/tensor/gradient.h"
#include "core/tensor/value_range.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What the planner may assume of a layer. Everything not declared is not granted: tensors that a
/// backward does not declare to read come undefined, and their memory may hold other data by then.
struct Traits {
  bool backward_reads_x = true;   ///< backward reads call.x
  bool backward_reads_y = false;  ///< backward reads call.y
  /// y[0] may be the very memory of x[0]: a view. Forward then does nothing and backward's dx[0] is
  /// dy[0].
  bool view = false;
  /// y[0] may be written over x[0] (same bytes), if nobody needs x[0] later.
  bool forward_in_place = false;
  /// dx[0] may be written over dy[0], if nobody needs dy[0] later.
  bool backward_in_place = false;
  /// Every dx[i] equals dy[0] (addition): the planner may make them the same memory. Where it does,
  /// backward is called with dx[i].tensor.data() == dy[0].data() and mode overwrite, and leaves it
  /// alone.
  bool gradients_pass_through = false;
  /// All dx[i] are equal: the planner may make dx[i] the same memory as dx[0]. Where it does, both
  /// have mode overwrite, and backward writes them once.
  bool gradients_equal = false;
  /// A loss: forward already writes dx (and parameter gradients), multiplied by the context's loss
  /// scale; backward is never called. `ForwardCall::dx` is filled while training. Holds only while
  /// no layer reads y: see Layer::defer_gradient.
  bool gradient_in_forward = false;
};

/// The tensors of one forward call. All lie on the device and are contiguous.
struct ForwardCall {
  std::span<const Tensor> x;
  std::span<const Tensor> y;
  /// Only for layers with gradient_in_forward: where their input gradients go; modes none outside
  /// training.
  std::span<const Gradient> dx;
  /// Likewise.
  ParameterGradients parameters = {};
};

/// The tensors of one backward call. An output that nothing differentiable used has an undefined
/// dy, which counts as zeros: dx, and gradients of parameters, are written as their modes say all
/// the same. Integer inputs, and inputs that no parameter lies behind, have dx of mode none.
struct BackwardCall {
  std::span<const Tensor> x;  ///< undefined tensors unless traits().backward_reads_x
  std::span<const Tensor> y;  ///< undefined tensors unless traits().backward_reads_y
  std::span<const Tensor> dy;
  std::span<const Gradient> dx;
  ParameterGradients parameters = {};
};

/// Functions of one element that the kernel which makes the element can apply in passing; `none`
/// are all others.
enum class ElementFunction : std::uint8_t { none, relu, gelu_tanh };

struct Program;

class Layer {
 public:
  virtual ~Layer() = default;

  /// The kind of layer, "linear": the base of its name in a graph.
  virtual std::string kind() const = 0;
  /// One line for summaries: "linear(784 -> 512, bias)". Defaults to kind().
  virtual std::string describe() const { return kind(); }
  /// A copy that shares parameters and has buffers of its own: each place in each graph has one.
  virtual std::shared_ptr<Layer> twin() const = 0;

  /// Output types for input types; throws Error saying what this layer takes. Pure: no device, no
  /// state.
  virtual Signature infer(const Signature& x) const = 0;
  virtual Traits traits() const { return {}; }
  /// What is known of the numbers of each output where this is known of those of inputs of types x.
  /// By default nothing, and nobody is warned.
  virtual ValueRange output_range(std::span<const ValueRange>, const Signature&) const {
    return {};
  }
  /// The same numbers as in `of`, in other places, as output 0 has them for inputs of types x.
  ValueRange moved(const ValueRange& of, const Signature& x) const {
    return of.rearranged(infer(x)[0].shape[-1] == x[0].shape[-1]);
  }
  /// What numbers the inputs are meant to be, in their order; any, where it ends. A range without
  /// bounds says that they should be free of them: logits. See core/graph/notices.h.
  virtual std::vector<ValueRange> expects() const { return {}; }
  /// What the layer does to each element, for rewrites that have it done by the layer before.
  virtual ElementFunction element_function() const { return ElementFunction::none; }
  /// Called once, before the last build(), on layers with gradient_in_forward whose output another
  /// layer reads or the caller seeds: what the gradient has to be multiplied by is known only in
  /// backward. From then on traits() must not have gradient_in_forward, and backward makes the
  /// gradient from dy. The default throws Error: this loss's output cannot be read.
  virtual void defer_gradient();
  /// Called once, before the last build(): the type that the graph computes in, for layers whose
  /// outputs' type does not follow from their inputs'. infer() answers with it from then on.
  virtual void set_compute_type(DType) {}
  virtual void build(Builder&) {}
  /// Chooses engines for inputs of exactly these types, and for gradients of parameters in these
  /// places, in either mode; once per batch shape, never during capture.
  virtual void prepare(Context&, const Signature&, const ParameterGradients&) {}
  virtual void forward(Context& context, const ForwardCall& call) = 0;
  /// The default throws Error: a layer that does not override it has no backward, and says so.
  virtual void backward(Context& context, const BackwardCall& call);
  /// Whether gradients can pass. A graph that would need them to is refused when it is compiled.
  /// LayerOf answers by whether backward() is overridden.
  virtual bool has_backward() const { return true; }

  /// The same calls, checked: numbers, types and shapes of the tensors against infer(), modes
  /// against what is defined. The graph and all tests call these, so that no layer checks again.
  /// `x` gives the input types, which a backward call need not hold.
  void run_forward(Context& context, const ForwardCall& call);
  void run_backward(Context& context, const BackwardCall& call, const Signature& x);

  /// Throws Error if a call since the last verify() met invalid data, such as a label out of range,
  /// which kernels can only note down. Waits for the device.
  virtual void verify(Context&) {}

  /// Multiply-adds of one forward call, for summaries and FLOP rates; 0 for memory-bound layers.
  virtual std::int64_t multiply_adds(const Signature&) const { return 0; }
  /// Multiply-adds of the call that makes these gradients, backward's or, of a loss, the ones it
  /// adds to forward's. By default one product of forward's size for parameters, and one for
  /// inputs, where any of them are wanted. A layer that stands for several counts as they would.
  virtual std::int64_t backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                              const ParameterGradients& parameters) const;
};

/// Base of concrete layers: supplies twin() as a copy, and has_backward().
/// `class Linear : public LayerOf<Linear>`.
template <class Derived>
class LayerOf : public Layer {
 public:
  bool has_backward() const override {
    if constexpr (requires { &Derived::backward; })
      return !std::same_as<decltype(&Derived::backward), decltype(&Layer::backward)>;
    else
      return true;  // not public, and so its own
  }
  std::shared_ptr<Layer> twin() const override {
    return std::make_shared<Derived>(static_cast<const Derived&>(*this));
  }
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
