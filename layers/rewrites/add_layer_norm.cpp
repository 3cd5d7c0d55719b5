#include "layers/rewrites/add_layer_norm.h"

#include "core/graph/registry.h"
#include "kernels/add.h"
#include "layers/arithmetic/add.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

Signature AddLayerNorm::infer(const Signature& x) const {
  const Signature sum = Add().infer(x);
  return {sum[0], norm_.infer(sum)[0]};
}

void AddLayerNorm::build(Builder& builder) {
  Builder part = builder.part(name_.empty() ? builder.name() : name_, {builder.outputs()[0]},
                              {builder.outputs()[1]});
  norm_.build(part);
}

void AddLayerNorm::forward(Context& context, const ForwardCall& call) {
  norm_.forward_of_sum(context, call.x[0], call.x[1], call.y[0], call.y[1]);
}

void AddLayerNorm::backward(Context& context, const BackwardCall& call) {
  const Tensor sum = call.y[0], from_sum = call.dy[0], dy = call.dy[1];
  const Gradient a = call.dx[0], b = call.dx[1];
  if (!dy.defined()) {  // nothing differentiated reads the norm
    norm_.no_parameter_gradients(context, call.parameters);
    for (const Gradient& dx : call.dx)
      if (dx.wanted()) contribute(context.stream(), dx, from_sum);
    return;
  }
  // The kernel adds ds while it writes dx, but not while it adds to what is there.
  const auto write = [&](const Gradient& dx, const ParameterGradients& parameters) {
    if (dx.accumulates() && from_sum.defined()) {
      contribute(context.stream(), dx, from_sum);
      norm_.backward_with(context, sum, dy, Tensor(), dx, parameters);
    } else {
      norm_.backward_with(context, sum, dy, from_sum, dx, parameters);
    }
  };
  if (a.accumulates() && b.accumulates()) {
    write(a, call.parameters);
    write(b, {});
    return;
  }
  // One pass writes the gradient where it may be overwritten; the other place gets it from there.
  const bool into_b = !a.wanted() || (b.wanted() && a.accumulates());
  write(into_b ? b : a, call.parameters);
  const Gradient& other = into_b ? a : b;
  if (other.wanted()) contribute(context.stream(), other, (into_b ? b : a).tensor);
}

namespace {

const bool kRegistered = register_layer({
    .kind = "add_layer_norm",
    .arity = {.least_inputs = 2, .most_inputs = 2, .outputs = 2},
    .make =
        [](Options& options) { return std::make_shared<AddLayerNorm>("", layer_norm_of(options)); },
    .cases = {{"add_layer_norm",
               [] { return std::make_shared<AddLayerNorm>("norm", LayerNorm()); },
               {CheckInput{{DType::float32, {5, 19}}, 0.5},
                CheckInput{{DType::float32, {5, 19}}}}}},
});

// add, and the first layer norm of its sum, become one node where the add was.
void rewrite_add_norms(Program& program, const CallersValues&) {
  const std::vector<std::vector<NodeId>> consumers = program.consumers();
  std::vector<Replacement> replacements;
  for (NodeId sum = 0; std::size_t(sum) < program.nodes.size(); ++sum) {
    const Node add = program.nodes[std::size_t(sum)];
    if (add.layer->kind() != "add") continue;
    for (NodeId reader : consumers[std::size_t(add.outputs[0])]) {
      const Node norm = program.nodes[std::size_t(reader)];
      const auto* layer = dynamic_cast<const LayerNorm*>(norm.layer.get());
      if (!layer || !program.may_join({sum, reader})) continue;
      program.rewrites.push_back(str("add_layer_norm: ", add.name, " and ", norm.name));
      replacements.push_back({.removed = {sum, reader},
                              .node = {.name = program.unused_name("add_layer_norm", true),
                                       .layer = std::make_shared<AddLayerNorm>(norm.name, *layer),
                                       .inputs = add.inputs,
                                       .outputs = {add.outputs[0], norm.outputs[0]}},
                              .at = sum});
      break;
    }
  }
  program.replace(std::move(replacements));
}

const bool kRewrites =
    register_rewrite({.name = "add_layer_norm", .apply = rewrite_add_norms, .order = 20});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
