#include "core/update/rule_options.h"

#include "core/base/kind_registry.h"

namespace adjoint {
namespace {

KindRegistry<RuleOptions>& registry() {
  static KindRegistry<RuleOptions> entries("update rule");
  return entries;
}

}  // namespace

bool enter_rule_options(const std::string& kind, const RuleOptions& defaults, const char* abi) {
  return registry().add_once(kind, defaults, abi);
}

std::vector<std::string> rule_kinds() { return registry().kinds(); }

RuleOptions default_rule_options(const std::string& kind) { return registry().find(kind); }

}  // namespace adjoint
