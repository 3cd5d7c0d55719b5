// The passes that make a program flat: containers become their parts, and every place has a layer
// object of its own, which shares the parameters of the one that was applied there.
#include <algorithm>
#include <map>
#include <utility>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Records the parts of the container at `position` in its place. The values the container made keep
// their numbers, because callers hold them: what the parts made is renamed to those.
void inline_one(Program& program, std::size_t position) {
  const Node container = program.nodes[position];
  const std::size_t behind = program.nodes.size();
  // Behind all others, so that the parts take no name that one of these has.
  const auto& layer = static_cast<const Container&>(*container.layer);
  const std::vector<ValueId> made =
      layer.record(program, container.inputs, container.named ? container.name : "");
  std::map<ValueId, ValueId> stands_for;
  for (std::size_t k = 0; k < made.size(); ++k) stands_for[made[k]] = container.outputs[k];
  for (ValueId input : container.inputs)
    ADJOINT_CHECK(!stands_for.contains(input), container.name,
                  ": a container must make new values, but handed an input through");
  ADJOINT_CHECK(stands_for.size() == container.outputs.size(), container.name,
                ": a container must make each of its outputs once");

  const auto rename = [&](std::vector<ValueId>& ids) {
    for (ValueId& id : ids)
      if (const auto found = stands_for.find(id); found != stands_for.end()) id = found->second;
  };
  for (std::size_t k = behind; k < program.nodes.size(); ++k) {
    rename(program.nodes[k].inputs);
    rename(program.nodes[k].outputs);
  }
  const auto at = program.nodes.begin() + std::ptrdiff_t(position);
  std::rotate(at + 1, program.nodes.begin() + std::ptrdiff_t(behind), program.nodes.end());
  program.nodes.erase(at);
  program.renumber();
}

}  // namespace

void inline_containers(Program& program) {
  for (std::size_t i = 0; i < program.nodes.size();) {
    if (dynamic_cast<const Container*>(program.nodes[i].layer.get()))
      inline_one(program, i);  // its parts, which may be containers, now begin at i
    else
      ++i;
  }
}

void separate_twins(Program& program) {
  for (Node& node : program.nodes) node.layer = node.layer->twin();
  for (std::size_t i = 0; i < program.nodes.size(); ++i) program.nodes[i].place = i;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
