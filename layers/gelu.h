// GELU: y = x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The tanh form, as language models use it.
class GELU : public Pointwise {
 public:
  GELU();
};

Value gelu(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
