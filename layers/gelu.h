// GELU: y = x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016).
#pragma once

#include "layers/pointwise.h"

namespace adjoint::inline ADJOINT_BACKEND {

/// The tanh form, as language models use it, or the exact one with the error function. Only the
/// former is fused into the products around it (layers/linear_chain.h).
class GELU : public Pointwise {
 public:
  enum class Form : std::uint8_t { tanh, exact };
  explicit GELU(Form form = Form::tanh);
};

Value gelu(const Value& x);
Value gelu_exact(const Value& x);

}  // namespace adjoint::inline ADJOINT_BACKEND
