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
    case Pass::hook:
      return "hook";
    case Pass::join:
      return "join";
  }
  return "";
}

const char* name(Lane stream) { return stream == Lane::main ? "main" : "side"; }

CallList::CallList(std::size_t nodes)
    : turn_(nodes), forward_(nodes, -1), recompute_(nodes, -1), backward_(nodes, -1) {
  for (std::size_t i = 0; i < nodes; ++i) {
    calls_.push_back({.pass = Pass::forward, .node = static_cast<NodeId>(i)});
    note(static_cast<int>(i));
  }
}

void CallList::note(int moment) {
  const Call& call = calls_[std::size_t(moment)];
  if (call.node < 0) return;
  std::vector<int>& moments = call.pass == Pass::forward     ? forward_
                              : call.pass == Pass::recompute ? recompute_
                                                             : backward_;
  moments[std::size_t(call.node)] = moment;
}

void CallList::check(int moment, const Call& call) const {
  ADJOINT_CHECK(call.stream == Lane::main || call.node < 0,
                "CallList: expected a node on the main stream: its memory is planned by that");
  for (int wait : call.waits)
    ADJOINT_CHECK(wait >= 0 && wait < moment, "CallList: the call of moment ", moment,
                  " cannot wait for moment ", wait, ", which is not before it");
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
  for (const Call& call : calls) {
    ADJOINT_CHECK(call.pass != Pass::forward, "CallList: every node runs forward already");
    check(moment, call);
  }
  const int count = static_cast<int>(calls.size());
  for (int each = moment; each < after(); ++each)
    for (int& wait : calls_[std::size_t(each)].waits)
      if (wait >= moment) wait += count;
  calls_.insert(calls_.begin() + moment, calls.begin(), calls.end());
  for (int each = moment; each < after(); ++each) note(each);
}

void CallList::move(int moment, Lane stream, const std::vector<int>& waits) {
  Call moved = calls_[std::size_t(moment)];
  moved.stream = stream;
  moved.waits = waits;
  check(moment, moved);
  calls_[std::size_t(moment)] = std::move(moved);
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
