#include "layers/rewrites/linear_chain.h"

#include <algorithm>

#include "core/base/options.h"
#include "core/graph/registry.h"
#include "layers/products/linear_products.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

Epilogue forward_epilogue(ElementFunction activation) {
  return activation == ElementFunction::relu ? Epilogue::bias_relu : Epilogue::bias_gelu;
}

Epilogue backward_epilogue(ElementFunction activation) {
  return activation == ElementFunction::relu ? Epilogue::relu_backward : Epilogue::gelu_backward;
}

}  // namespace

LinearChain::LinearChain(std::vector<Stage> stages) : stages_(std::move(stages)) {
  ADJOINT_CHECK(!stages_.empty() && stages_.back().activation == ElementFunction::none,
                "LinearChain: expected stages, the last without an activation");
  for (std::size_t k = 0; k + 1 < stages_.size(); ++k)
    ADJOINT_CHECK(
        stages_[k].activation != ElementFunction::none && stages_[k].linear.options().bias,
        "LinearChain: expected a bias and an activation in stage ", k);
}

std::string LinearChain::describe() const {
  std::string text;
  for (const Stage& stage : stages_) {
    text += str(text.empty() ? "" : " + ", stage.linear.describe());
    if (stage.activation != ElementFunction::none)
      text += stage.activation == ElementFunction::relu ? " + relu" : " + gelu";
  }
  return text;
}

Signature LinearChain::infer(const Signature& x) const {
  Signature types = x;
  for (const Stage& stage : stages_) types = stage.linear.infer(types);
  return types;
}

void LinearChain::build(Builder& builder) {
  Signature types = builder.inputs();
  links_.clear();
  for (Stage& stage : stages_) {
    const Signature next = stage.linear.infer(types);
    const std::string own = str(builder.name(), ".linear", &stage - stages_.data() + 1);
    Builder part = builder.part(stage.name.empty() ? own : stage.name, types, next);
    stage.linear.build(part);
    if (stage.activation != ElementFunction::none) {
      // Its bias's gradient comes out of an epilogue, in the type of the product.
      part.writes_float32_gradient(stage.linear.bias(), false);
      const TensorType& type = next[0];
      const std::int64_t columns = type.shape[-1], rows = type.shape.count() / columns;
      links_.push_back({.hidden = part.saved("activation", type),
                        .saved = part.saved("activation input",
                                            matmul_saved_type(forward_epilogue(stage.activation),
                                                              rows, columns, type.dtype)),
                        .hidden_gradient = part.scratch("gradient", type, Phase::backward)});
    }
    types = next;
  }
}

Tensor LinearChain::hidden(std::size_t link, const Slot& slot, std::int64_t rows) const {
  return slot.view({rows, stages_[link].linear.options().out});
}

std::vector<Matmul> LinearChain::forward_products(const Tensor& x, const Tensor& y) const {
  const std::int64_t rows = x.as_matrix().shape()[0];
  std::vector<Matmul> products;
  for (std::size_t k = 0; k < stages_.size(); ++k) {
    const bool last = k + 1 == stages_.size();
    const Linear& linear = stages_[k].linear;
    const Tensor input = k == 0 ? x : hidden(k - 1, links_[k - 1].hidden, rows);
    const Tensor output = last ? y : hidden(k, links_[k].hidden, rows);
    const Tensor bias = linear.options().bias ? linear.bias().value() : Tensor();
    products.push_back(linear_forward(input, linear.weight().value(), bias, output));
    if (last) continue;
    const TensorType saved = matmul_saved_type(forward_epilogue(stages_[k].activation), rows,
                                               linear.options().out, output.dtype());
    products.back().epilogue = forward_epilogue(stages_[k].activation);
    products.back().saved = links_[k].saved.view(saved.shape);
  }
  return products;
}

std::vector<Matmul> LinearChain::backward_products(const Tensor& x, const Tensor& dy,
                                                   const Gradient& dx,
                                                   const ParameterGradients& parameters) const {
  const std::int64_t rows = x.as_matrix().shape()[0];
  std::vector<Matmul> products;
  for (std::size_t k = stages_.size(); k-- > 0;) {
    const bool last = k + 1 == stages_.size();
    const Linear& linear = stages_[k].linear;
    const Tensor input = k == 0 ? x : hidden(k - 1, links_[k - 1].hidden, rows);
    const Tensor gradient = last ? dy : hidden(k, links_[k].hidden_gradient, rows);
    // The bias gradients of all stages but the last come out of the epilogues below.
    const Gradient bias = last ? parameters.of(linear.bias()) : Gradient{};
    if (const Gradient weight = parameters.of(linear.weight()); weight.wanted())
      products.push_back(linear_weight_gradient(input, gradient, weight, bias));
    if (k == 0) {
      if (dx.wanted())
        products.push_back(linear_input_gradient(gradient, linear.weight().value(), dx));
      break;
    }
    const Stage& before = stages_[k - 1];
    const TensorType saved = matmul_saved_type(forward_epilogue(before.activation), rows,
                                               before.linear.options().out, gradient.dtype());
    Matmul product = linear_input_gradient(
        gradient, linear.weight().value(),
        {hidden(k - 1, links_[k - 1].hidden_gradient, rows), GradientMode::overwrite});
    product.epilogue = backward_epilogue(before.activation);
    product.saved = links_[k - 1].saved.view(saved.shape);
    const Gradient bias_before = parameters.of(before.linear.bias());
    product.bias_gradient = bias_before.tensor;
    product.accumulate_bias_gradient = bias_before.accumulates();
    products.push_back(product);
  }
  return products;
}

void LinearChain::prepare(Context& context, const Signature& x,
                          const ParameterGradients& parameters) {
  const Tensor input(nullptr, x[0].dtype, x[0].shape),
      output(nullptr, x[0].dtype, infer(x)[0].shape);
  for (const Matmul& product : forward_products(input, output)) prepare_matmul(context, product);
  if (!parameters.of(stages_.front().linear.weight()).wanted()) return;  // it only computes
  for (GradientMode mode : {GradientMode::overwrite, GradientMode::accumulate}) {
    for (const Matmul& product : backward_products(input, output, {input, mode}, parameters)) {
      Matmul either = product;
      const bool to_parameters = product.transpose_a;
      if (to_parameters) either.beta = mode == GradientMode::accumulate ? 1.0f : 0.0f;
      if (either.bias_gradient.defined())
        either.accumulate_bias_gradient = mode == GradientMode::accumulate;
      prepare_matmul(context, either);
    }
  }
}

void LinearChain::forward(Context& context, const ForwardCall& call) {
  for (const Matmul& product : forward_products(call.x[0], call.y[0])) matmul(context, product);
}

void LinearChain::backward(Context& context, const BackwardCall& call) {
  for (const Matmul& product :
       backward_products(call.x[0], call.dy[0], call.dx[0], call.parameters))
    matmul(context, product);
}

std::int64_t LinearChain::multiply_adds(const Signature& x) const {
  Signature types = x;
  std::int64_t total = 0;
  for (const Stage& stage : stages_) {
    total += stage.linear.multiply_adds(types);
    types = stage.linear.infer(types);
  }
  return total;
}

// All stages but the first hand a gradient on.
std::int64_t LinearChain::backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                                 const ParameterGradients& parameters) const {
  const Gradient inner{.tensor = {}, .mode = GradientMode::overwrite};
  Signature types = x;
  std::int64_t total = 0;
  for (const Stage& stage : stages_) {
    const bool first = &stage == stages_.data();
    total +=
        stage.linear.backward_multiply_adds(types, {first ? dx.data() : &inner, 1}, parameters);
    types = stage.linear.infer(types);
  }
  return total;
}

// ---- the rewrite

namespace {

// What the chain that begins at a node takes in: linear, activation, linear, activation, ...,
// linear.
struct Found {
  std::vector<NodeId> nodes;
  std::vector<LinearChain::Stage> stages;
};

class Search {
 public:
  Search(const Program& program, const CallersValues& callers)
      : program_(program), kept_(callers.kept), consumers_(program.consumers()) {}

  Found from(NodeId first) const {
    Found found;
    for (NodeId node = first;;) {
      const auto* linear = as_linear(node);
      if (!linear || (!found.nodes.empty() && !trainable(*linear))) return trimmed(found);
      if (found.nodes.empty() && !trainable(*linear)) return {};
      if (applies_again(found, *linear)) return trimmed(found);
      found.nodes.push_back(node);
      found.stages.push_back({program_.nodes[std::size_t(node)].name, *linear});
      const NodeId activation = only_consumer(node);
      if (activation < 0 || !linear->options().bias) return found;
      const auto kind = layer(activation).element_function();
      const NodeId next = kind == ElementFunction::none ? -1 : only_consumer(activation);
      if (next < 0 || !as_linear(next)) return found;
      found.nodes.push_back(activation);
      found.stages.back().activation = kind;
      node = next;
    }
  }

 private:
  const Layer& layer(NodeId node) const { return *program_.nodes[std::size_t(node)].layer; }
  const Linear* as_linear(NodeId node) const { return dynamic_cast<const Linear*>(&layer(node)); }

  // Frozen layers stay apart: a chain computes all its parameters' gradients.
  static bool trainable(const Linear& linear) {
    return linear.weight().trainable() && linear.bias().trainable();
  }

  // One node can write a parameter's gradient once, overwriting or adding.
  static bool applies_again(const Found& found, const Linear& linear) {
    return std::ranges::any_of(found.stages, [&](const LinearChain::Stage& stage) {
      return stage.linear.weight() == linear.weight();
    });
  }

  // The node that alone reads what `node` makes, unless somebody outside reads it too or they may
  // not be joined; else -1.
  NodeId only_consumer(NodeId node) const {
    const ValueId made = program_.nodes[std::size_t(node)].outputs[0];
    const auto& readers = consumers_[std::size_t(made)];
    if (readers.size() != 1 || kept_.contains(made)) return -1;
    return program_.may_join({node, readers[0]}) ? readers[0] : -1;
  }

  // A chain ends with a linear layer.
  static Found trimmed(Found found) {
    if (found.stages.empty()) return found;
    found.nodes.pop_back();
    found.stages.back().activation = ElementFunction::none;
    return found;
  }

  const Program& program_;
  const std::set<ValueId>& kept_;
  std::vector<std::vector<NodeId>> consumers_;
};

void rewrite_chains(Program& program, const CallersValues& callers) {
  const Search search(program, callers);
  std::vector<bool> taken(program.nodes.size());
  std::vector<Replacement> replacements;
  for (NodeId first = 0; std::size_t(first) < program.nodes.size(); ++first) {
    if (taken[std::size_t(first)]) continue;
    const Found found = search.from(first);
    if (found.stages.size() < 2) continue;
    for (const NodeId node : found.nodes) taken[std::size_t(node)] = true;
    const Node& begin = program.nodes[std::size_t(found.nodes.front())];
    const Node& end = program.nodes[std::size_t(found.nodes.back())];
    auto chain = std::make_shared<LinearChain>(found.stages);
    program.rewrites.push_back(
        str("linear_chain: ", begin.name, " to ", end.name, ": ", chain->describe()));
    replacements.push_back({.removed = found.nodes,
                            .node = {.name = program.unused_name("linear_chain", true),
                                     .layer = chain,
                                     .inputs = begin.inputs,
                                     .outputs = end.outputs},
                            .at = found.nodes.back()});
  }
  program.replace(std::move(replacements));
}

// Linear layers of these widths, the activation between them.
std::shared_ptr<LinearChain> chain_of(const std::vector<std::int64_t>& out,
                                      ElementFunction activation) {
  std::vector<LinearChain::Stage> stages;
  stages.reserve(out.size());
  for (const std::int64_t width : out) stages.push_back({"", Linear(width), activation});
  if (!stages.empty()) stages.back().activation = ElementFunction::none;
  return std::make_shared<LinearChain>(stages);
}

LayerCase chain_case(const std::string& name, const std::vector<std::int64_t>& out,
                     ElementFunction activation, const Shape& x) {
  return {name, [=] { return chain_of(out, activation); }, {CheckInput{{DType::float32, x}}}};
}

const bool kRegistered = register_layer({
    .kind = "linear_chain",
    .make =
        [](Options& options) {
          const std::string activation = options.choice("activation", "relu", {"relu", "gelu"});
          return chain_of(options.integers("out"), activation == "relu"
                                                       ? ElementFunction::relu
                                                       : ElementFunction::gelu_tanh);
        },
    .example = {{"out", std::vector<std::int64_t>{6, 3}}},
    .cases = {chain_case("linear_chain", {6, 3}, ElementFunction::relu, {4, 5}),
              chain_case("linear_chain/gelu", {7, 6, 2}, ElementFunction::gelu_tanh, {2, 3, 5})},
});

const bool kRewrites =
    register_rewrite({.name = "linear_chain", .apply = rewrite_chains, .order = 10});

}  // namespace

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
