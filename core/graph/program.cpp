#include "core/graph/program.h"

#include <algorithm>
#include <utility>

namespace adjoint {
inline namespace ADJOINT_BACKEND {

ValueId Program::add_input(const std::string& name, const TensorType& type, bool wants_gradient) {
  ADJOINT_CHECK(!wants_gradient || is_floating(type.dtype), "Graph: input ", name, " is ", type,
                ", which has no gradient");
  const auto id = static_cast<ValueId>(values.size());
  values.push_back({.name = name.empty() ? str("input", inputs.size() + 1) : name,
                    .type = type,
                    .producer = -1,
                    .wants_gradient = wants_gradient});
  inputs.push_back(id);
  return id;
}

std::string Program::unused_name(const std::string& base, bool number_first) const {
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(nodes, [&](const Node& node) { return node.name == name; });
  };
  if (!number_first && !taken(base)) return base;
  for (int number = number_first ? 1 : 2;; ++number)
    if (std::string name = str(base, number); !taken(name)) return name;
}

std::vector<ValueId> Program::apply(std::shared_ptr<Layer> layer,
                                    const std::vector<ValueId>& inputs, std::string name) {
  ADJOINT_CHECK(layer, "Graph: expected a layer, got null");
  Node node{.name = name.empty() ? unused_name(layer->kind(), true) : unused_name(name, false),
            .named = !name.empty(),
            .layer = std::move(layer),
            .inputs = inputs,
            .outputs = {}};
  Signature made;
  try {
    made = node.layer->infer(types(inputs));
  } catch (const Error& error) {
    std::string given;
    for (ValueId input : inputs) {
      const ValueInfo& value = values[std::size_t(input)];
      given += str(given.empty() ? "" : ", ", value.name, " (", value.type, ")");
    }
    ADJOINT_FAIL(node.name, " cannot take ", given.empty() ? "no inputs" : given, ": ",
                 error.message());
  }
  const auto id = static_cast<NodeId>(nodes.size());
  for (const TensorType& type : made) {
    node.outputs.push_back(static_cast<ValueId>(values.size()));
    values.push_back({.name = node.name, .type = type, .producer = id});
  }
  nodes.push_back(std::move(node));
  return nodes.back().outputs;
}

std::vector<std::vector<NodeId>> Program::consumers() const {
  std::vector<std::vector<NodeId>> readers(values.size());
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (ValueId input : nodes[i].inputs)
      readers[std::size_t(input)].push_back(static_cast<NodeId>(i));
  return readers;
}

Signature Program::types(const std::vector<ValueId>& ids) const {
  Signature types;
  for (ValueId id : ids) {
    ADJOINT_CHECK(id >= 0 && std::size_t(id) < values.size(),
                  "Graph: a value of another graph was used");
    types.push_back(values[std::size_t(id)].type);
  }
  return types;
}

void Program::replace(const std::vector<NodeId>& removed, Node replacement, NodeId at) {
  std::vector<Node> kept;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    if (id == at)
      kept.push_back(std::move(replacement));
    else if (std::ranges::find(removed, id) == removed.end())
      kept.push_back(std::move(nodes[i]));
  }
  nodes = std::move(kept);
  renumber_producers();
}

void Program::renumber_producers() {
  for (ValueInfo& value : values) value.producer = -1;
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (ValueId output : nodes[i].outputs)
      values[std::size_t(output)].producer = static_cast<NodeId>(i);
}

std::vector<Declarations> build_layers(const Program& program, DType compute_type,
                                       ParameterList& parameters) {
  std::vector<Declarations> declarations(program.nodes.size());
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    Builder builder(node.name, program.types(node.inputs), program.types(node.outputs),
                    compute_type, node.place, declarations[i], parameters);
    node.layer->build(builder);
    const std::vector<Parameter>& all = declarations[i].parameters;
    for (auto at = all.begin(); at != all.end(); ++at)
      ADJOINT_CHECK(std::find(all.begin(), at, *at) == at, "Graph: ", node.name, " declares ",
                    at->name(), " twice; a layer writes a parameter's gradient once");
  }
  return declarations;
}

Signature Container::infer(const Signature& x) const {
  Program scratch;
  std::vector<ValueId> inputs;
  for (const TensorType& type : x) inputs.push_back(scratch.add_input("", type, false));
  return scratch.types(record(scratch, inputs, ""));
}

void Container::forward(Context&, const ForwardCall&) {
  ADJOINT_FAIL(kind(),
               ": a container has no forward of its own; apply it in a graph and compile that");
}

void Container::backward(Context&, const BackwardCall&) {
  ADJOINT_FAIL(kind(),
               ": a container has no backward of its own; apply it in a graph and compile that");
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
