// Timing of work on a stream: medians and quartiles of device time.
#pragma once

#include <functional>
#include <vector>

#include "core/device/context.h"
#include "core/tensor/dtype.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Milliseconds.
struct Timing {
  double median = 0;
  double lower = 0;  ///< first quartile
  double upper = 0;  ///< third quartile
  double best = 0;
  std::int64_t runs = 0;
};

/// Quartiles by linear interpolation; of no samples, zeros.
Timing quartiles(std::vector<double> milliseconds);

/// Times what `body` puts on the context's stream: once plainly, to warm up, then again and again
/// for about `seconds`, at least five times. `between` runs before each, untimed.
Timing measure(Context& context, double seconds, const std::function<void()>& body,
               const std::function<void()>& between = {});

/// What this device can do at most, measured, the best run of each: a copy of memory much larger
/// than caches, read and write counted, and a large matrix product.
struct Ceilings {
  double bytes_per_second = 0;
  double flops = 0;
};
Ceilings measure_ceilings(Context& context, double seconds);
/// Operations a second of a large product of matrices of that type.
double product_flops(Context& context, DType type, double seconds);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
