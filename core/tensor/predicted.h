// Predicted: what a model makes of a sample, by what its loss compares it with.
#pragma once

#include <cstdint>

namespace adjoint {

enum class Predicted : std::uint8_t {
  number,       ///< targets are floating numbers, which predictions should equal
  probability,  ///< targets are floating probabilities, predictions their logits or logarithms
  label,        ///< targets are int32 class labels, predictions a score for each class
};

}  // namespace adjoint
