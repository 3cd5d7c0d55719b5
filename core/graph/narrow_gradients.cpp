// Gradients that a layer writes in 16 bits, though they belong to float32 memory: they are made in
// scratch beside it, and the graph adds them where they belong.
#include <algorithm>

#include "core/graph/differentiate.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

void declare_narrow_gradients(const Differentiation& differentiation, DType compute_type,
                              std::vector<Declarations>& declarations) {
  for (std::size_t i = 0; i < declarations.size(); ++i) {
    Declarations& node = declarations[i];
    if (!differentiation.runs_backward[i] && !differentiation.makes_gradient[i]) continue;
    const Phase phase = differentiation.makes_gradient[i] ? Phase::forward : Phase::backward;
    for (const Parameter& parameter : node.parameters) {
      const bool wide =
          std::ranges::find(node.float32_gradients, parameter) != node.float32_gradients.end();
      if (wide || !parameter.trainable()) continue;
      node.narrow_gradients.push_back(
          {parameter, node.add_scratch(parameter.name() + " gradient",
                                       {compute_type, parameter.stored_shape()}, phase)});
    }
  }
}

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
