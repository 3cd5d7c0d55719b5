#include "core/graph/registry.h"

#include <algorithm>

#include "core/base/kind_registry.h"
#include "core/base/options.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

KindRegistry<LayerEntry>& registry() {
  static KindRegistry<LayerEntry> entries("layer type");
  return entries;
}

// Why a kind is of no use; empty where it is.
std::string problem(const std::string& kind) {
  if (std::string why = registry().problem(kind); !why.empty()) return why;
  const LayerEntry& entry = registry().find(kind);
  if (!entry.make) return str("layer type '", kind, "' has nothing to make it with");
  if (entry.cases.empty()) return str("layer type '", kind, "' has no case to test it with");
  for (const LayerCase& each : entry.cases)
    if (!entry.arity.takes(each.inputs.size()))
      return str("layer type '", kind, "' has a case, ", each.name, ", of ", each.inputs.size(),
                 " inputs; expected ", entry.arity.inputs_text(), " by its arity");
  return "";
}

}  // namespace

std::optional<Initializer> initializer_option(Options& options, const std::string& key) {
  const std::optional<std::string> text = options.optional_text(key);
  if (!text) return std::nullopt;
  try {
    return Initializer::named(*text);
  } catch (const Error& error) {
    const std::string& where = options.where();
    ADJOINT_FAIL(where, where.empty() ? "" : ": ", options.owner(), " ", key, ": ",
                 error.message());
  }
}

std::string Arity::inputs_text() const {
  if (!most_inputs) return str(least_inputs, " or more");
  return *most_inputs == least_inputs ? str(least_inputs) : str(least_inputs, " to ", *most_inputs);
}

bool register_layer(const LayerEntry& entry, const char* abi) {
  return registry().add(entry.kind, entry, abi);
}

std::vector<std::string> layer_kinds() {
  std::vector<std::string> kinds = registry().kinds();
  std::ranges::sort(kinds);
  return kinds;
}

std::vector<LayerEntry> registered_layers() {
  std::vector<LayerEntry> entries;
  for (const std::string& kind : layer_kinds())
    if (problem(kind).empty()) entries.push_back(registry().find(kind));
  return entries;
}

LayerEntry registered_layer(const std::string& kind) {
  const std::string why = problem(kind);
  ADJOINT_CHECK(why.empty(), why);
  return registry().find(kind);
}

std::shared_ptr<Layer> make_example(const LayerEntry& entry) {
  Options options(entry.kind);
  for (const auto& [key, value] : entry.example) options.set(key, value);
  std::shared_ptr<Layer> layer = entry.make(options);
  options.finish();
  return layer;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
