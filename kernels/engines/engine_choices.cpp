#include "kernels/engines/engine_choices.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using KindOf = EngineKind& (*)(Context&);

std::vector<KindOf>& registry() {
  static std::vector<KindOf> kinds;
  return kinds;
}

}  // namespace

bool register_engine_kind(KindOf of) {
  registry().push_back(of);
  return true;
}

std::vector<EngineKind*> engine_kinds(Context& context) {
  std::vector<EngineKind*> kinds;
  for (const KindOf of : registry()) kinds.push_back(&of(context));
  return kinds;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
