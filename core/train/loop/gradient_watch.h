// GradientWatch: looks after the first updates of a run for parameters that do not learn: no
// gradient reaches them, as behind ReLUs that are dead for all samples. Such a run goes on well,
// and nothing else would say so.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/device/stream.h"
#include "core/graph/parameter.h"
#include "core/update/optimizer_options.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class GradientWatch {
 public:
  /// Made updates that a parameter has to get a gradient: layers that start from zero, and those
  /// before them, get theirs only after the first or second.
  static constexpr int kUpdates = 5;

  /// Of all parameters in the slab (there are no frozen ones) but those in groups that learn at a
  /// rate of 0.
  GradientWatch(const ParameterSlab& slab, const std::vector<ParameterGroup>& groups);

  /// False once kUpdates were looked at, or every parameter had a gradient.
  bool watching() const { return looked_ < kUpdates && !silent_.empty(); }
  /// After an update that was made, at a rate above 0, while its gradient is in the slab. Waits for
  /// the device; copies no more of each parameter than it takes to find a number that is not zero.
  void look(Stream& stream);
  /// A line naming the parameters whose gradients were zero every time; empty while watching, where
  /// there are none, and once it was said.
  std::string take_note();

 private:
  bool has_gradient(Stream& stream, const ParameterRange& parameter);

  Tensor gradient_;
  std::vector<ParameterRange> silent_;  ///< had none so far
  std::vector<std::byte> chunk_;
  int looked_ = 0;
  bool said_ = false;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
