#include "core/graph/differentiate.h"

#include <algorithm>
#include <set>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

bool any_of(const std::vector<bool>& flags, const std::vector<ValueId>& ids) {
  return std::ranges::any_of(ids, [&](ValueId id) { return flags[std::size_t(id)]; });
}

bool learns(const Declarations& declarations) {
  return std::ranges::any_of(declarations.parameters,
                             [](const Parameter& parameter) { return parameter.trainable(); });
}

// Says of the values from `first` on whether something to be learned lies behind them.
void spread(const Program& program, const std::vector<Declarations>& declarations,
            std::size_t first, std::vector<bool>& depends) {
  depends.resize(program.values.size());
  for (std::size_t i = first; i < program.values.size(); ++i)
    depends[i] = program.values[i].wants_gradient;
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    if (!learns(declarations[i]) && !any_of(depends, program.nodes[i].inputs)) continue;
    for (ValueId output : program.nodes[i].outputs)
      if (std::size_t(output) >= first)
        depends[std::size_t(output)] = is_floating(program.values[std::size_t(output)].type.dtype);
  }
}

// Values that a loss or a seed is computed from, themselves included.
std::vector<bool> find_influences(const Program& program, const std::vector<ValueId>& ends) {
  std::vector<bool> influences(program.values.size());
  for (ValueId end : ends) influences[std::size_t(end)] = true;
  for (std::size_t i = program.nodes.size(); i-- > 0;)
    if (any_of(influences, program.nodes[i].outputs))
      for (ValueId input : program.nodes[i].inputs) influences[std::size_t(input)] = true;
  return influences;
}

}  // namespace

GradientMode Differentiation::mode(const Program& program, NodeId node, int input) const {
  const ValueId value = program.nodes[std::size_t(node)].inputs[std::size_t(input)];
  if (!has_gradient[std::size_t(value)]) return GradientMode::none;
  const auto& all = contributions[std::size_t(value)];
  for (std::size_t k = 0; k < all.size(); ++k)
    if (all[k].node == node && all[k].input == input) {
      const bool seeded = std::ranges::find(seeds, value) != seeds.end();
      return k == 0 && !seeded ? GradientMode::overwrite : GradientMode::accumulate;
    }
  return GradientMode::none;
}

void defer_gradients(const Program& program, const std::vector<ValueId>& seeds) {
  const auto consumers = program.consumers();
  const auto multiplied = [&](ValueId y) {
    return !consumers[std::size_t(y)].empty() || std::ranges::find(seeds, y) != seeds.end();
  };
  for (const Node& node : program.nodes)
    if (node.layer->traits().gradient_in_forward && std::ranges::any_of(node.outputs, multiplied))
      node.layer->defer_gradient();
}

std::vector<bool> find_dependents(const Program& program,
                                  const std::vector<Declarations>& declarations) {
  std::vector<bool> depends;
  spread(program, declarations, 0, depends);
  return depends;
}

std::vector<ValueId> seeded_values(const Program& program, const std::vector<ValueId>& losses,
                                   const std::vector<ValueId>& seeds) {
  std::vector<ValueId> seeded = seeds;
  for (ValueId loss : losses) {
    const NodeId producer = program.values[std::size_t(loss)].producer;
    if (!program.nodes[std::size_t(producer)].layer->traits().gradient_in_forward)
      seeded.push_back(loss);
  }
  return seeded;
}

void check_ends(const Program& program, const std::vector<bool>& depends,
                const std::vector<ValueId>& losses, const std::vector<ValueId>& seeds) {
  std::set<ValueId> known;
  const auto check_end = [&](ValueId end, bool needs_gradient) {
    const ValueInfo& value = program.values[std::size_t(end)];
    ADJOINT_CHECK(known.insert(end).second, "Graph: ", value.name,
                  " is named twice among losses and seeds; expected each value once");
    ADJOINT_CHECK(!needs_gradient || depends[std::size_t(end)], "Graph: the gradient of ",
                  value.name, " is given, but no trainable parameter and no input with ",
                  "wants_gradient lies behind it");
  };
  for (ValueId loss : losses) {
    const ValueInfo& value = program.values[std::size_t(loss)];
    ADJOINT_CHECK(value.producer >= 0, "Graph: the loss ", value.name,
                  " is an input, which depends on nothing");
    const Layer& layer = *program.nodes[std::size_t(value.producer)].layer;
    check_end(loss, !layer.traits().gradient_in_forward);
  }
  for (ValueId seed : seeds) check_end(seed, true);
}

void check_reached(const Program& program, const std::vector<Declarations>& declarations,
                   const std::vector<ValueId>& ends) {
  std::vector<bool> reached(program.values.size());
  for (ValueId end : ends) reached[std::size_t(end)] = true;
  std::vector<Parameter> learning;
  std::vector<NodeId> deaf;  // whose parameters learn by other nodes, if at all
  for (std::size_t i = program.nodes.size(); i-- > 0;) {
    const Node& node = program.nodes[i];
    if (!any_of(reached, node.outputs)) {
      deaf.push_back(static_cast<NodeId>(i));
      continue;
    }
    for (ValueId input : node.inputs)
      if (is_floating(program.values[std::size_t(input)].type.dtype))
        reached[std::size_t(input)] = true;
    const std::vector<Parameter>& own = declarations[i].parameters;
    learning.insert(learning.end(), own.begin(), own.end());
  }
  std::string names;
  for (auto at = deaf.rbegin(); at != deaf.rend(); ++at)
    for (const Parameter& parameter : declarations[std::size_t(*at)].parameters)
      if (parameter.trainable() && std::ranges::find(learning, parameter) == learning.end())
        names += str(names.empty() ? "" : ", ", parameter.name());
  ADJOINT_CHECK(names.empty(), "Graph: no gradient reaches ", names,
                ", for no loss reads what their layers make: let one read it, freeze them with "
                "set_trainable(false), or say CompileOptions::unused_parameters = allow");
}

Differentiation differentiate(const Program& program, const std::vector<Declarations>& declarations,
                              std::vector<bool> depends, const std::vector<ValueId>& losses,
                              const std::vector<ValueId>& seeds) {
  Differentiation result;
  result.seeds = seeded_values(program, losses, seeds);

  std::vector<ValueId> ends = losses;
  ends.insert(ends.end(), seeds.begin(), seeds.end());
  spread(program, declarations, depends.size(), depends);
  const std::vector<bool> influences = find_influences(program, ends);
  result.has_gradient.resize(program.values.size());
  result.runs_backward.resize(program.nodes.size());
  result.makes_gradient.resize(program.nodes.size());
  result.contributions.resize(program.values.size());
  const auto active = [&](ValueId id) {
    return depends[std::size_t(id)] && influences[std::size_t(id)];
  };
  for (ValueId seed : result.seeds) result.has_gradient[std::size_t(seed)] = true;

  result.calls = CallList(program.nodes.size());
  const auto contribute = [&](NodeId node) {
    const auto& inputs = program.nodes[std::size_t(node)].inputs;
    for (std::size_t k = 0; k < inputs.size(); ++k) {
      if (!active(inputs[k])) continue;
      result.has_gradient[std::size_t(inputs[k])] = true;
      result.contributions[std::size_t(inputs[k])].push_back({node, static_cast<int>(k)});
    }
  };
  // In order of time: losses during forward, then the others backward.
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    const Node& node = program.nodes[i];
    if (!node.layer->traits().gradient_in_forward || !any_of(influences, node.outputs)) continue;
    result.makes_gradient[i] = true;
    contribute(static_cast<NodeId>(i));
  }
  for (ValueId seed : result.seeds)
    ADJOINT_CHECK(
        result.contributions[std::size_t(seed)].empty(),
        "Graph: ", program.values[std::size_t(seed)].name,
        std::ranges::find(losses, seed) != losses.end()
            ? " is a loss, and is read by another that makes its gradient before this one "
              "has any; put the losses together with total_loss"
            : " is given a gradient, and is read by a loss that makes one before that is "
              "given; give it to a value that no loss reads");
  for (std::size_t i = program.nodes.size(); i-- > 0;) {
    const Node& node = program.nodes[i];
    if (node.layer->traits().gradient_in_forward || !any_of(result.has_gradient, node.outputs))
      continue;
    if (!learns(declarations[i]) && std::ranges::none_of(node.inputs, active)) continue;
    ADJOINT_CHECK(
        node.layer->has_backward(), "Graph: ", node.name, " (", node.layer->kind(),
        ") has no backward, and a gradient is to pass through it: let no loss and no seed "
        "read what it makes, freeze the parameters behind it with set_trainable(false), "
        "or give the layer a backward");
    result.runs_backward[i] = true;
    result.calls.add({.pass = Pass::backward, .node = static_cast<NodeId>(i)});
    contribute(static_cast<NodeId>(i));
  }
  return result;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
