// LinearChain: linear layers and the activations between them, as one layer. A rewrite makes it;
// nobody else need know it. Activations run in the epilogues of the products around them: forward's
// in the product before, backward's, with the bias gradient, in the product that makes the gradient
// they are applied to. A chain of n linear layers is n kernels forward and 2n - 1 backward, or 2n
// where the input's gradient is wanted.
#pragma once

#include <vector>

#include "kernels/engines/matmul.h"
#include "layers/products/linear.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

class LinearChain : public LayerOf<LinearChain> {
 public:
  struct Stage {
    /// Of the linear node before the rewrite: names its parameters. Empty: the chain's own does,
    /// "linear_chain1.linear2".
    std::string name;
    Linear linear;
    ElementFunction activation = ElementFunction::none;  ///< after it; none for the last stage
  };
  /// x [..., in of the first stage] to y [..., out of the last]. Every stage but the last has an
  /// activation.
  explicit LinearChain(std::vector<Stage> stages);

  std::string kind() const override { return "linear_chain"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  Traits traits() const override { return {.backward_reads_x = true}; }
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature& x, const ParameterGradients& parameters) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
  std::int64_t multiply_adds(const Signature& x) const override;
  std::int64_t backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                      const ParameterGradients& parameters) const override;

 private:
  // Between stage k and stage k + 1.
  struct Link {
    Slot hidden;           // the activation's output, which stage k + 1 takes
    Slot saved;            // what its forward epilogue leaves for its backward one
    Slot hidden_gradient;  // of the linear layer's output, before the activation
  };

  // The products of a step, in order, of gradients that are wanted. `dx` says whether the first
  // includes the input's gradient.
  std::vector<Matmul> forward_products(const Tensor& x, const Tensor& y) const;
  std::vector<Matmul> backward_products(const Tensor& x, const Tensor& dy, const Gradient& dx,
                                        const ParameterGradients& parameters) const;
  Tensor hidden(std::size_t link, const Slot& slot, std::int64_t rows) const;

  std::vector<Stage> stages_;
  std::vector<Link> links_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
