#include "core/update/update_rule.h"

#include "core/base/kind_registry.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using Make = std::function<UpdateRule(const RuleOptions&)>;

KindRegistry<Make>& registry() {
  static KindRegistry<Make> entries("update rule");
  return entries;
}

}  // namespace

bool enter_update_rule(const std::string& kind, const Make& make, const char* abi) {
  return registry().add(kind, make, abi);
}

UpdateRule update_rule(const RuleOptions& options) {
  options.check();
  return registry().find(options.kind())(options);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
