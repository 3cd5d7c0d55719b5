#include "core/update/rule_options.h"

#include "core/base/kind_registry.h"

namespace adjoint {
namespace {

KindRegistry<RuleOptions>& registry() {
  static KindRegistry<RuleOptions> entries("update rule");
  return entries;
}

}  // namespace

bool register_rule_options(const RuleOptions& defaults) {
  return registry().add_once(defaults.kind(), defaults);
}

std::vector<std::string> rule_kinds() { return registry().kinds(); }

RuleOptions default_rule_options(const std::string& kind) { return registry().find(kind); }

}  // namespace adjoint
