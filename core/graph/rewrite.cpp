// The registry of rewrites, and the pass that runs them.
#include <algorithm>

#include "core/base/kind_registry.h"
#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

KindRegistry<Rewrite>& registry() {
  static KindRegistry<Rewrite> rewrites("rewrite");
  return rewrites;
}

}  // namespace

bool register_rewrite(const Rewrite& rewrite, const char* abi) {
  return registry().add(rewrite.name, rewrite, abi);
}

void rewrite(Program& program, const CallersValues& callers,
             const std::vector<std::string>& disabled) {
  std::vector<Rewrite> rules;
  for (const std::string& name : registry().kinds())
    if (std::ranges::find(disabled, name) == disabled.end()) rules.push_back(registry().find(name));
  std::ranges::sort(rules, {},
                    [](const Rewrite& rule) { return std::pair(rule.order, rule.name); });
  for (const Rewrite& rule : rules) rule.apply(program, callers);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
