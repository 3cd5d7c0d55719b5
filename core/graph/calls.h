// The order of a step, as a list: which node runs in which pass, on which stream, and what it waits
// for. Differentiation makes it, passes edit it (core/graph/recompute.h and others), the planner
// reads lifetimes off it, and the graph puts on the streams what it says, in its order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

enum class Pass : std::uint8_t {
  forward,
  recompute,  ///< forward once more, during backward: what it made was not kept
  backward,
};

/// "forward", "recompute", "backward".
const char* name(Pass pass);

/// One call of a step.
struct Call {
  Pass pass = Pass::forward;
  NodeId node = -1;

  bool operator==(const Call&) const = default;
};

/// The calls of a step in the order in which they are put on the stream. A moment is the index of a
/// call; the moment after() is that of a caller who reads what is kept once the step has run.
class CallList {
 public:
  /// Every node forward, in order; backward comes behind.
  explicit CallList(std::size_t nodes = 0);

  const std::vector<Call>& calls() const { return calls_; }
  /// Where backward begins: calls before it are those of Graph::forward().
  std::size_t turn() const { return turn_; }
  /// Puts a call at the end, and returns its moment.
  int add(const Call& call);
  /// Puts calls before that of a moment behind the turn; the moments from there on move. Costs a
  /// walk over the list, so a pass gathers what it inserts. Throws Error for a call of the forward
  /// pass.
  void insert(int moment, const std::vector<Call>& calls);

  /// Moments of a node; -1 where it has no such call.
  int forward(NodeId node) const { return forward_[std::size_t(node)]; }
  int recompute(NodeId node) const { return recompute_[std::size_t(node)]; }
  int backward(NodeId node) const { return backward_[std::size_t(node)]; }
  int after() const { return static_cast<int>(calls_.size()); }

 private:
  void note(int moment);

  std::vector<Call> calls_;
  std::size_t turn_ = 0;
  std::vector<int> forward_, recompute_, backward_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
