// Ranges of the gradient that are final while backward goes on: what a collective can send, or a
// caller look at, before the rest is made. A pass over the list of calls puts a hook where each
// range has had its last contribution.
#pragma once

#include <functional>
#include <vector>

#include "core/graph/differentiate.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Elements [begin, end) of the slab of gradients (ParameterSlab::gradient).
struct GradientRange {
  std::int64_t begin = 0, end = 0;

  bool operator==(const GradientRange&) const = default;
};

/// What a hook is told: no later call of this backward pass writes into that range.
struct FinalGradient {
  GradientRange range;
  Tensor values;  ///< [end - begin], of the slab's type, unnormalised: summed over samples
  /// Where the work of the hook belongs: on it the values are made before, and what it writes there
  /// the optimizer finds.
  Stream& stream;
};

/// Puts work on the stream it is given. Must neither wait nor allocate, as a step must not.
using GradientHook = std::function<void(const FinalGradient&)>;

/// Cuts the slab into ranges of at least `bucket` elements, whole parameters each, from its end,
/// where the layers lie that run backward first; the one at its front may be smaller. Puts a call
/// of Pass::hook behind the last contribution to each, and returns the ranges in the order of those
/// calls; together they are the slab. `parameters` lie in it in order, and its length is `count`.
/// Parameters that this program does not train are final from the start.
std::vector<GradientRange> hook_gradients(const std::vector<Declarations>& declarations,
                                          const std::vector<ParameterRange>& parameters,
                                          std::int64_t count, std::int64_t bucket,
                                          Differentiation& differentiation);

/// Puts hooks on the side stream, each behind the calls that made its range, and a call at the end
/// in which the main stream waits for the last of them (core/graph/side_stream.cpp).
void move_hooks_aside(CallList& calls);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
