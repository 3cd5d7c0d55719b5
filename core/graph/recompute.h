// Recompute: ranges of nodes whose results are not kept for backward but made again, for less
// memory (gradient checkpointing: Chen et al. 2016, "Training Deep Nets with Sublinear Memory
// Cost"). The graph is cut into ranges as it was recorded; the list of calls is edited once
// backward has been derived.
#pragma once

#include <vector>

#include "core/graph/differentiate.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The values between which a range lies.
struct RangeEnds {
  ValueId from = -1, to = -1;
};

/// Sets Node::range of every node on the way from ranges[i].from to ranges[i].to to i. Of the flat
/// program, before the rewrites, which leave ranges apart. Throws Error where nothing lies on that
/// way, and for a node in two ranges, naming it.
void mark_ranges(Program& program, const std::vector<RangeEnds>& ranges);

/// Puts calls of Pass::recompute before the first backward call of each range: for the nodes that
/// made what backward, or another of those calls, needs, and the caller does not keep. Nothing
/// changes where no range is marked. `kept` are values that stay in memory for the whole step.
void recompute_ranges(const Program& program, const std::vector<Declarations>& declarations,
                      const std::vector<ValueId>& kept, Differentiation& differentiation);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
