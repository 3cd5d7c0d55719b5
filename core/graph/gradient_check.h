// The gradient checker: a layer's backward against central differences in float64. Public, so that
// users check layers of their own; tests and `adjoint gradcheck` use the same.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// One input of a layer under test.
struct CheckInput {
  TensorType type;
  /// Floating inputs are drawn from a normal distribution of this mean and deviation.
  double mean = 0.0;
  double deviation = 1.0;
  /// int32 inputs are drawn uniformly from [low, high].
  std::int32_t low = 0;
  std::int32_t high = 0;
};

/// A layer with inputs that suit it: declared once where the layer is, used for gradient checks,
/// the contract test and benchmarks.
struct LayerCase {
  std::string name;  ///< "linear/no bias"
  std::function<std::shared_ptr<Layer>()> make;
  std::vector<CheckInput> inputs;
  /// The fewest entries of the leading axis that the layer can be trained with.
  std::int64_t smallest_batch = 1;
};

struct GradientCheckOptions {
  std::uint64_t seed = 1;
  /// Difference step relative to max(1, |x|). For float64 the error of the quotient is about h^2 +
  /// 1e-16 / h.
  double step = 1e-5;
  /// Elements checked of each input and parameter, evenly spread; 0 checks all.
  std::int64_t elements = 64;
};

/// How one input or parameter fared.
struct GradientCheckEntry {
  std::string name;    ///< "x[0]" or the parameter's name
  double error = 0.0;  ///< largest |analytic - numeric| / max(|analytic|, |numeric|, scale)
  std::int64_t checked = 0;
  std::int64_t skipped = 0;  ///< elements at a kink: the two one-sided differences disagree
  std::int64_t worst = 0;    ///< element of the largest error
  double analytic = 0.0;     ///< there
  double numeric = 0.0;      ///< there
};

/// Checks d(sum of r y)/dx for random r, over all floating inputs and all parameters, with
/// everything in float64 (types of `inputs` are replaced). For losses, the first output alone
/// counts, with r = 1. `scale` in the error is a thousandth of the largest gradient of the same
/// tensor.
std::vector<GradientCheckEntry> check_gradients(const LayerCase& layer_case,
                                                const GradientCheckOptions& options = {});

/// The largest error of all entries; NaN if any is NaN.
double worst_error(const std::vector<GradientCheckEntry>& entries);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
