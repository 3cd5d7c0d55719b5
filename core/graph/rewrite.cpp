// The registry of rewrites, and the pass that runs them.
#include <algorithm>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

std::vector<Rewrite>& registry() {
  static std::vector<Rewrite> rewrites;
  return rewrites;
}

}  // namespace

bool register_rewrite(const Rewrite& rewrite) {
  auto& rewrites = registry();
  const auto after = std::ranges::upper_bound(
      rewrites, std::pair(rewrite.order, rewrite.name), {},
      [](const Rewrite& other) { return std::pair(other.order, other.name); });
  rewrites.insert(after, rewrite);
  return true;
}

void rewrite(Program& program, const CallersValues& callers,
             const std::vector<std::string>& disabled) {
  for (const Rewrite& rule : registry())
    if (std::ranges::find(disabled, rule.name) == disabled.end()) rule.apply(program, callers);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
