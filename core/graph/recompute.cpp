#include "core/graph/recompute.h"

#include <algorithm>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

// Nodes on the way from one value to another: behind the first, and needed for the second.
std::vector<NodeId> nodes_between(const Program& program, const RangeEnds& ends) {
  const auto any_of = [](const std::vector<bool>& flags, const std::vector<ValueId>& ids) {
    return std::ranges::any_of(ids, [&](ValueId id) { return flags[std::size_t(id)]; });
  };
  std::vector<bool> behind(program.values.size()), needed(program.values.size());
  std::vector<bool> reads(program.nodes.size());
  behind[std::size_t(ends.from)] = true;
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    reads[i] = any_of(behind, program.nodes[i].inputs);
    for (ValueId output : program.nodes[i].outputs)
      if (reads[i]) behind[std::size_t(output)] = true;
  }
  needed[std::size_t(ends.to)] = true;
  std::vector<NodeId> found;
  for (std::size_t i = program.nodes.size(); i-- > 0;) {
    const Node& node = program.nodes[i];
    if (!any_of(needed, node.outputs)) continue;
    for (ValueId input : node.inputs) needed[std::size_t(input)] = true;
    if (reads[i]) found.push_back(static_cast<NodeId>(i));
  }
  return found;
}

// The calls of one range, and the moment before which they belong; -1 where there are none.
class Range {
 public:
  Range(const Program& program, const std::vector<Declarations>& declarations,
        const Differentiation& differentiation, const std::vector<bool>& kept,
        const std::vector<std::vector<NodeId>>& consumers)
      : program_(program),
        declarations_(declarations),
        differentiation_(differentiation),
        kept_(kept),
        consumers_(consumers) {}

  int moment() const { return moment_; }

  std::vector<Call> calls(const std::vector<NodeId>& nodes) {
    moment_ = -1;
    for (NodeId node : nodes)
      if (const int backward = differentiation_.calls.backward(node); backward >= 0)
        moment_ = moment_ < 0 ? backward : std::min(moment_, backward);
    std::vector<Call> calls;
    if (moment_ < 0) return calls;
    std::vector<bool> again(program_.nodes.size());
    for (auto node = nodes.rbegin(); node != nodes.rend(); ++node)  // the last first
      again[std::size_t(*node)] = runs_again(*node, again);
    for (NodeId node : nodes)
      if (again[std::size_t(node)]) calls.push_back({.pass = Pass::recompute, .node = node});
    return calls;
  }

 private:
  bool runs_again(NodeId id, const std::vector<bool>& again) const {
    const Node& node = program_.nodes[std::size_t(id)];
    // What it left with its gradients in forward stays: nobody reads what it makes.
    if (differentiation_.makes_gradient[std::size_t(id)]) return false;
    const bool backward = differentiation_.runs_backward[std::size_t(id)];
    if (backward && !declarations_[std::size_t(id)].saved.empty()) return true;
    return std::ranges::any_of(node.outputs, [&](ValueId output) {
      if (kept_[std::size_t(output)]) return false;
      if (backward && node.layer->traits().backward_reads_y) return true;
      return std::ranges::any_of(consumers_[std::size_t(output)], [&](NodeId reader) {
        const bool reads_x = program_.nodes[std::size_t(reader)].layer->traits().backward_reads_x;
        return (reads_x && differentiation_.calls.backward(reader) >= moment_) ||
               again[std::size_t(reader)];
      });
    });
  }

  const Program& program_;
  const std::vector<Declarations>& declarations_;
  const Differentiation& differentiation_;
  const std::vector<bool>& kept_;
  const std::vector<std::vector<NodeId>>& consumers_;
  int moment_ = -1;
};

}  // namespace

void mark_ranges(Program& program, const std::vector<RangeEnds>& ranges) {
  for (std::size_t i = 0; i < ranges.size(); ++i) {
    const std::string &from = program.values[std::size_t(ranges[i].from)].name,
                      &to = program.values[std::size_t(ranges[i].to)].name;
    const std::vector<NodeId> nodes = nodes_between(program, ranges[i]);
    ADJOINT_CHECK(!nodes.empty(), "Graph: recompute from ", from, " to ", to, ": ", to,
                  " is not made of ", from, ", so no layer lies between them");
    for (NodeId id : nodes) {
      Node& node = program.nodes[std::size_t(id)];
      ADJOINT_CHECK(node.range < 0, "Graph: recompute from ", from, " to ", to, ": ", node.name,
                    " lies in another range already, from ",
                    program.values[std::size_t(ranges[std::size_t(node.range)].from)].name, " to ",
                    program.values[std::size_t(ranges[std::size_t(node.range)].to)].name,
                    "; end one range where the next begins");
      node.range = static_cast<int>(i);
    }
  }
}

void recompute_ranges(const Program& program, const std::vector<Declarations>& declarations,
                      const std::vector<ValueId>& kept, Differentiation& differentiation) {
  std::vector<std::vector<NodeId>> ranges;
  for (std::size_t i = 0; i < program.nodes.size(); ++i) {
    const int range = program.nodes[i].range;
    if (range < 0) continue;
    if (std::size_t(range) >= ranges.size()) ranges.resize(std::size_t(range) + 1);
    ranges[std::size_t(range)].push_back(static_cast<NodeId>(i));
  }
  if (ranges.empty()) return;
  std::vector<bool> keeps(program.values.size());
  for (ValueId value : kept) keeps[std::size_t(value)] = true;
  const auto consumers = program.consumers();
  Range range(program, declarations, differentiation, keeps, consumers);
  struct Insertion {
    int moment;
    std::vector<Call> calls;
  };
  std::vector<Insertion> insertions;
  for (const std::vector<NodeId>& nodes : ranges)
    if (std::vector<Call> calls = range.calls(nodes); !calls.empty())
      insertions.push_back({range.moment(), std::move(calls)});
  // From the end, so that no moment moves before its turn comes.
  std::ranges::sort(insertions, std::greater{}, &Insertion::moment);
  for (const Insertion& each : insertions) differentiation.calls.insert(each.moment, each.calls);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
