// The order of a step, as a list: which node runs in which pass. Differentiation makes it, the
// planner reads lifetimes off it, and the graph puts on the stream what it says, in its order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/graph/program.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

enum class Pass : std::uint8_t { forward, backward };

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

  /// Moments of a node; -1 where it does not run backward.
  int forward(NodeId node) const { return forward_[std::size_t(node)]; }
  int backward(NodeId node) const { return backward_[std::size_t(node)]; }
  int after() const { return static_cast<int>(calls_.size()); }

 private:
  std::vector<Call> calls_;
  std::size_t turn_ = 0;
  std::vector<int> forward_, backward_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
