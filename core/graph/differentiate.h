// The backward pass, derived: which nodes run backward, which values get a gradient, in which order
// the contributions to it come and so which overwrites and which adds.
#pragma once

#include <vector>

#include "core/graph/calls.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// One gradient written by one node.
struct Contribution {
  NodeId node = -1;
  int input = 0;  ///< which dx of the node
};

/// What the backward pass does.
struct Differentiation {
  /// Whether the node's backward is called.
  std::vector<bool> runs_backward;
  /// Whether the node, a loss, makes gradients in forward: those that something is trained by.
  std::vector<bool> makes_gradient;
  /// Whether each value has a gradient.
  std::vector<bool> has_gradient;
  /// Contributions to each value's gradient in order of time; the first overwrites, later ones add.
  std::vector<std::vector<Contribution>> contributions;
  /// Values whose gradient the caller or the graph provides before backward: seeds.
  std::vector<ValueId> seeds;
  /// The step: every node forward, then those that run backward, the last first.
  CallList calls;

  /// When a node writes gradients: in forward, if it is a loss that makes its own, else backward.
  int moment(const Contribution& contribution) const {
    const NodeId node = contribution.node;
    return makes_gradient[std::size_t(node)] ? calls.forward(node) : calls.backward(node);
  }
  /// How node `node` writes its dx[input].
  GradientMode mode(const Program& program, NodeId node, int input) const;
};

/// Lets losses whose outputs other layers read, or the caller seeds, make their gradients in
/// backward (see Layer::defer_gradient). Before the rewrites, which join losses that need not.
void defer_gradients(const Program& program, const std::vector<ValueId>& seeds);

/// Which values something to be learned lies behind: a trainable parameter, or an input with
/// wants_gradient. Of the program as recorded: a layer that a rewrite makes of several has outputs
/// that some of its parameters do not reach. `declarations` are those of each node.
std::vector<bool> find_dependents(const Program& program,
                                  const std::vector<Declarations>& declarations);

/// Values whose gradients are given between forward and backward: `seeds`, and by ones the losses
/// that do not make their own.
std::vector<ValueId> seeded_values(const Program& program, const std::vector<ValueId>& losses,
                                   const std::vector<ValueId>& seeds);

/// Throws Error where a loss or a seed cannot be: one named twice, an input as a loss, a value to
/// be seeded that nothing to be learned lies behind.
void check_ends(const Program& program, const std::vector<bool>& depends,
                const std::vector<ValueId>& losses, const std::vector<ValueId>& seeds);

/// Throws Error naming trainable parameters that no gradient of `ends` reaches, losses and seeds.
/// Of the program as recorded, like find_dependents.
void check_reached(const Program& program, const std::vector<Declarations>& declarations,
                   const std::vector<ValueId>& ends);

/// Derives the backward pass of `losses` and of `seeds`, values whose gradients will be given.
/// Values that no trainable parameter and no input with wants_gradient lies behind get no gradient;
/// nodes whose outputs reach no loss do not run backward. `depends` is of the values recorded
/// (find_dependents); what passes have added since depends as what it is made of. `declarations`
/// are those of each node. A loss whose layer does not make its own gradient is added to the seeds.
/// Throws Error naming a node without backward (Layer::has_backward) that would have to run it.
Differentiation differentiate(const Program& program, const std::vector<Declarations>& declarations,
                              std::vector<bool> depends, const std::vector<ValueId>& losses,
                              const std::vector<ValueId>& seeds);

/// Where gradients of parameters are float32 beside a 16-bit compute type: gives each node scratch
/// of that type for those that its layer writes in no other (core/graph/narrow_gradients.cpp).
void declare_narrow_gradients(const Differentiation& differentiation, DType compute_type,
                              std::vector<Declarations>& declarations);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
