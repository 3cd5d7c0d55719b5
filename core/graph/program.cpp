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

std::string Names::unused(const std::string& base, bool number_first) {
  if (!number_first && !taken(base)) return base;
  // No name is given back as long as numbers are counted (Program::renumber begins anew).
  const std::string key = base + (number_first ? "1" : "");
  for (int& number = next_.try_emplace(key, number_first ? 1 : 2).first->second;; ++number)
    if (std::string name = str(base, number); !taken(name)) return name;
}

std::string Program::unused_name(const std::string& base, bool number_first) {
  return names_.unused(base, number_first);
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
  names_.take(node.name);
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

bool Program::may_join(const std::vector<NodeId>& ids) const {
  return std::ranges::all_of(ids, [&](NodeId id) {
    return nodes[std::size_t(id)].range == nodes[std::size_t(ids.front())].range;
  });
}

void Program::replace(std::vector<Replacement> replacements) {
  if (replacements.empty()) return;
  std::vector<bool> removed(nodes.size());
  std::vector<Node*> put(nodes.size());
  for (Replacement& each : replacements) {
    ADJOINT_CHECK(may_join(each.removed), "Graph: ", each.node.name,
                  " would join layers of which not all are recomputed together; a rewrite asks "
                  "Program::may_join first");
    each.node.range = nodes[std::size_t(each.at)].range;
    for (const NodeId id : each.removed) removed[std::size_t(id)] = true;
    put[std::size_t(each.at)] = &each.node;
  }
  std::vector<Node> kept;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (put[i] != nullptr)
      kept.push_back(std::move(*put[i]));
    else if (!removed[i])
      kept.push_back(std::move(nodes[i]));
  }
  nodes = std::move(kept);
  renumber();
}

void Program::renumber() {
  for (ValueInfo& value : values) value.producer = -1;
  names_ = {};
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    names_.take(nodes[i].name);
    for (ValueId output : nodes[i].outputs)
      values[std::size_t(output)].producer = static_cast<NodeId>(i);
  }
}

std::vector<Declarations> build_layers(const Program& program, DType compute_type,
                                       DType gradient_type, ParameterList& parameters) {
  std::vector<Declarations> declarations(program.nodes.size());
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    Builder builder(node.name, program.types(node.inputs), program.types(node.outputs),
                    compute_type, gradient_type, node.place, declarations[i], parameters);
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
