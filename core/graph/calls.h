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
  hook,  ///< the caller's function is told that a range of the gradient is final
  join,  ///< nothing: its stream waits
};

/// "forward", "recompute", "backward", "hook", "join".
const char* name(Pass pass);

/// The stream that layers run on, that of the graph's context, and the one beside it.
enum class Lane : std::uint8_t { main, side };

/// "main", "side".
const char* name(Lane stream);

/// One call of a step.
struct Call {
  Pass pass = Pass::forward;
  NodeId node = -1;
  int range = -1;  ///< of a hook: index into the graph's ranges of the gradient
  /// Nodes run on the main stream: what they use is placed by its order.
  Lane stream = Lane::main;
  /// Moments of other streams' calls that must be over before this one begins.
  std::vector<int> waits = {};

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
  /// Puts calls before that of a moment behind the turn; the moments from there on move, also where
  /// calls wait for them. What the new ones wait for comes before. Costs a walk over the list, so a
  /// pass gathers what it inserts. Throws Error for a call of the forward pass, a node beside the
  /// main stream, and a wait for what comes later.
  void insert(int moment, const std::vector<Call>& calls);
  /// Puts the call of that moment on another stream, where it waits for those. Throws likewise.
  void move(int moment, Lane stream, const std::vector<int>& waits);

  /// Moments of a node; -1 where it has no such call.
  int forward(NodeId node) const { return forward_[std::size_t(node)]; }
  int recompute(NodeId node) const { return recompute_[std::size_t(node)]; }
  int backward(NodeId node) const { return backward_[std::size_t(node)]; }
  int after() const { return static_cast<int>(calls_.size()); }

 private:
  void check(int moment, const Call& call) const;
  void note(int moment);

  std::vector<Call> calls_;
  std::size_t turn_ = 0;
  std::vector<int> forward_, recompute_, backward_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
