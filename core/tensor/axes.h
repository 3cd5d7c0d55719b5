// Axes as layers' options name them.
#pragma once

#include <string_view>

#include "core/base/error.h"
#include "core/tensor/shape.h"

namespace adjoint {

/// The index of an axis, negative ones counting from the back; throws Error if there is none or it
/// is the batch.
inline int axis_behind_batch(std::string_view layer, int axis, const Shape& x) {
  const int rank = x.rank(), at = axis < 0 ? axis + rank : axis;
  ADJOINT_CHECK(at >= 1 && at < rank, layer, ": expected an axis behind the batch, 1 to ", rank - 1,
                " or -1 to ", 1 - rank, " for an input of shape ", x, ", got ", axis);
  return at;
}

}  // namespace adjoint
