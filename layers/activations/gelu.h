// GELU: y = x Phi(x), Phi the standard normal distribution (Hendrycks and Gimpel 2016).
#pragma once

#include "layers/activations/pointwise.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// The tanh form, as language models use it, or the exact one with the error function. Only the
/// former is fused into the products around it (layers/rewrites/linear_chain.h).
class GELU : public Pointwise {
 public:
  enum class Form : std::uint8_t { tanh, exact };
  explicit GELU(Form form = Form::tanh);
};

Value gelu(const Value& x);
Value gelu_exact(const Value& x);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
