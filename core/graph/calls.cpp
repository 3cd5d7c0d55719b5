#include "core/graph/calls.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

CallList::CallList(std::size_t nodes) : turn_(nodes), forward_(nodes), backward_(nodes, -1) {
  for (std::size_t i = 0; i < nodes; ++i) {
    calls_.push_back({.pass = Pass::forward, .node = static_cast<NodeId>(i)});
    forward_[i] = static_cast<int>(i);
  }
}

int CallList::add(const Call& call) {
  const int moment = after();
  ADJOINT_CHECK(call.pass != Pass::forward, "CallList: every node runs forward already");
  if (call.pass == Pass::backward) backward_[std::size_t(call.node)] = moment;
  calls_.push_back(call);
  return moment;
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
