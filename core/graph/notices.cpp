#include "core/graph/notices.h"

#include <algorithm>

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Meaning = ValueRange::Meaning;

std::string describe(const ValueRange& range) {
  if (range.meaning == Meaning::probabilities) return "probabilities";
  if (range.meaning == Meaning::log_probabilities) return "log-probabilities";
  return words_of_bounds(range);
}

}  // namespace

std::vector<ValueRange> value_ranges(const Program& program) {
  std::vector<ValueRange> ranges(program.values.size());
  for (const Node& node : program.nodes) {
    std::vector<ValueRange> x;
    for (const ValueId input : node.inputs) x.push_back(ranges[std::size_t(input)]);
    const ValueRange y = node.layer->output_range(x, program.types(node.inputs));
    for (const ValueId output : node.outputs) ranges[std::size_t(output)] = y;
  }
  return ranges;
}

std::string notice(const std::string& reader, const ValueRange& expected, const std::string& maker,
                   const ValueRange& found) {
  const std::string makes = str(maker, " makes ", describe(found), ", but ", reader, " expects ");
  switch (expected.meaning) {
    case Meaning::plain:
      if (expected.bounded() || !found.bounded()) return "";
      return str(makes, "logits, which are free to be any real number: leave ", maker, " out");
    case Meaning::log_probabilities:
      if (found.meaning == Meaning::probabilities)
        return str(makes, "log-probabilities: take log_softmax instead of ", maker);
      if (found.meaning == Meaning::plain)
        return str(makes, "log-probabilities along the last axis: put log_softmax behind ", maker);
      return "";
    case Meaning::probabilities:
      if (found.meaning == Meaning::plain || found.meaning == Meaning::log_probabilities)
        return str(makes, "probabilities along the last axis");
      return "";
    case Meaning::unknown:
      return "";
  }
  return "";
}

std::vector<std::string> find_notices(const Program& program) {
  const std::vector<ValueRange> ranges = value_ranges(program);
  std::vector<std::string> found;
  for (const Node& node : program.nodes) {
    const std::vector<ValueRange> expected = node.layer->expects();
    for (std::size_t i = 0; i < std::min(expected.size(), node.inputs.size()); ++i) {
      const auto input = static_cast<std::size_t>(node.inputs[i]);
      if (!is_floating(program.values[input].type.dtype)) continue;
      const NodeId maker = program.values[input].producer;
      if (maker < 0) continue;
      const std::string text =
          notice(node.name, expected[i], program.nodes[std::size_t(maker)].name, ranges[input]);
      if (!text.empty()) found.push_back(text);
    }
  }
  return found;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
