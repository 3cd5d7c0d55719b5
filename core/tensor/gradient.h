// A place for a gradient, with what to do there.
#pragma once

#include <cstdint>

#include "core/tensor/tensor.h"

namespace adjoint {

/// What a backward call does with a gradient it has computed. The caller decides: the graph, for
/// values used several times and for parameters over several micro-steps.
enum class GradientMode : std::uint8_t {
  none,        ///< not wanted; the tensor may be undefined and the work should be skipped
  overwrite,   ///< write it; what lies there is undefined
  accumulate,  ///< add it to what lies there
};

struct Gradient {
  Tensor tensor;
  GradientMode mode = GradientMode::none;

  bool wanted() const { return mode != GradientMode::none; }
  bool accumulates() const { return mode == GradientMode::accumulate; }
};

}  // namespace adjoint
