// The memory planner: gives every activation, gradient, saved buffer and scratch a place in one
// arena, from lifetimes and aliases, and says the peak to the byte before the step runs.
#pragma once

#include <string>
#include <vector>

#include "core/graph/differentiate.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Moments (see CallList) from which and up to which something must stay where it is.
struct Lifetime {
  int first = 0;
  int last = 0;

  bool operator==(const Lifetime&) const = default;
};

/// A range of the arena: what lies there, and the moments between which it must stay.
struct Region {
  std::string name;  ///< "linear1", "linear1 gradient", "layer_norm1.mean"
  std::size_t bytes = 0;
  int first = 0;
  int last = 0;
  std::size_t offset = 0;
  /// Where it lives more than once, being recomputed: its lives, in order, of which none meets the
  /// next. Between them other regions may lie there.
  std::vector<Lifetime> lives = {};
};

/// The lives of a region: `lives`, or the one from first to last.
std::vector<Lifetime> lives_of(const Region& region);

/// Where everything lies. Values that share a region are aliases: views, in-place results,
/// gradients passed through.
struct MemoryPlan {
  std::vector<Region> regions;
  std::vector<int> value_region;     ///< of each value; -1 for values nobody makes
  std::vector<int> gradient_region;  ///< of each value's gradient; -1 where there is none
  struct SlotPlace {
    Slot slot;
    int region = -1;
  };
  std::vector<SlotPlace> slots;
  /// Copies of the running state of a node that is recomputed, as it was before its first run: so
  /// its second one finds and leaves what the first did.
  struct StatePlace {
    NodeId node = -1;
    Slot state;
    int region = -1;
  };
  std::vector<StatePlace> states;
  std::size_t arena_bytes = 0;  ///< the peak, with alignment
  std::size_t live_bytes = 0;   ///< the most that is alive at one moment: no plan can need less
};

struct PlanOptions {
  /// Values the caller reads or writes at any time: they keep their region for the whole step.
  std::vector<ValueId> kept;
  /// Regions whose lifetimes do not meet share memory, and results may take the place of operands.
  /// Without it everything has memory of its own, so that red zones and NaN fill reach every
  /// buffer.
  bool reuse = true;
};

/// Alignment of every region, in bytes: that of cudaMalloc, and more than any vector load needs.
inline constexpr std::size_t kRegionAlignment = 256;
/// Bytes up to where the next region may begin.
inline constexpr std::size_t region_bytes(std::size_t bytes) {
  return (bytes + kRegionAlignment - 1) / kRegionAlignment * kRegionAlignment;
}

/// Regions for all values, gradients and slots of the program.
MemoryPlan plan_memory(const Program& program, const std::vector<Declarations>& declarations,
                       const Differentiation& differentiation, const PlanOptions& options);

/// Gives the regions offsets such that regions alive at the same moment do not overlap: largest
/// first, each at the lowest offset free for its lifetime. Returns the bytes needed.
std::size_t place_regions(std::vector<Region>& regions, bool reuse);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
