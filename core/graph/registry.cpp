#include "core/graph/registry.h"

#include <map>

#include "core/base/options.h"
#include "core/base/text.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::map<std::string, LayerEntry>& registry() {
  static std::map<std::string, LayerEntry> entries;
  return entries;
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

bool register_layer(LayerEntry entry) {
  ADJOINT_CHECK(!entry.cases.empty(), "register_layer: ", entry.kind,
                " has no case to test it with");
  const std::string kind = entry.kind;
  const bool added = registry().emplace(kind, std::move(entry)).second;
  ADJOINT_CHECK(added, "register_layer: there are two layers of kind ", kind);
  return true;
}

std::vector<LayerEntry> registered_layers() {
  std::vector<LayerEntry> entries;
  for (const auto& [kind, entry] : registry()) entries.push_back(entry);
  return entries;
}

LayerEntry registered_layer(const std::string& kind) {
  if (const auto found = registry().find(kind); found != registry().end()) return found->second;
  std::vector<std::string> kinds;
  for (const auto& [name, entry] : registry()) kinds.push_back(name);
  ADJOINT_FAIL("unknown layer type '", kind, "'", did_you_mean(kind, kinds));
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
