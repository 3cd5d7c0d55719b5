#include "core/graph/calls.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

const char* name(Pass pass) {
  switch (pass) {
    case Pass::forward:
      return "forward";
    case Pass::recompute:
      return "recompute";
    case Pass::backward:
      return "backward";
  }
  return "";
}

CallList::CallList(std::size_t nodes)
    : turn_(nodes), forward_(nodes, -1), recompute_(nodes, -1), backward_(nodes, -1) {
  for (std::size_t i = 0; i < nodes; ++i) {
    calls_.push_back({.pass = Pass::forward, .node = static_cast<NodeId>(i)});
    note(static_cast<int>(i));
  }
}

void CallList::note(int moment) {
  const Call& call = calls_[std::size_t(moment)];
  std::vector<int>& moments = call.pass == Pass::forward     ? forward_
                              : call.pass == Pass::recompute ? recompute_
                                                             : backward_;
  moments[std::size_t(call.node)] = moment;
}

int CallList::add(const Call& call) {
  const int moment = after();
  insert(moment, {call});
  return moment;
}

void CallList::insert(int moment, const std::vector<Call>& calls) {
  ADJOINT_CHECK(std::size_t(moment) >= turn_ && moment <= after(),
                "CallList: expected a moment of ", turn_, " to ", after(),
                ", where backward is, got ", moment);
  for (const Call& call : calls)
    ADJOINT_CHECK(call.pass != Pass::forward, "CallList: every node runs forward already");
  calls_.insert(calls_.begin() + moment, calls.begin(), calls.end());
  for (int each = moment; each < after(); ++each) note(each);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
