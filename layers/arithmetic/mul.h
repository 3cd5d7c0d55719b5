// Mul: y = a b, element by element.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Two inputs of one floating type and shape.
class Mul : public LayerOf<Mul> {
 public:
  std::string kind() const override { return "mul"; }
  Signature infer(const Signature& x) const override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
};

/// a b, element by element, of one floating type and shape, which the result has. Throws Error for
/// others.
Value mul(const Value& a, const Value& b);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
