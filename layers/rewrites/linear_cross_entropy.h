// LinearCrossEntropy: a linear layer and the cross-entropy of its outputs, a chunk of rows at a
// time, so that the logits of a large vocabulary never lie in memory together. A rewrite makes it.
#pragma once

#include "layers/losses/softmax_cross_entropy.h"
#include "layers/products/linear.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Inputs x [..., in] and labels int32 [...]; output as CrossEntropyLoss. All gradients, those of
/// weight and bias too, are made in forward: the gradient of a chunk's logits takes their place,
/// and the two products that use it follow at once. In 16 bits, the gradients of several chunks are
/// summed in float32.
///
/// Where the weight has more rows in memory than classes (ParameterSpec::stored_rows), so have the
/// products: the logits of those rows are padding, which the loss does not read.
class LinearCrossEntropy : public LayerOf<LinearCrossEntropy> {
 public:
  /// `name` names the linear layer's parameters, or, empty, the node's does; `chunk_rows` 0 chooses
  /// chunks of about 64 MiB, or of 8,192 rows where that is more. Throws Error for a loss of
  /// Reduction::none.
  LinearCrossEntropy(std::string name, Linear linear, CrossEntropyLoss loss,
                     std::int64_t chunk_rows = 0);

  std::string kind() const override { return "linear_cross_entropy"; }
  std::string describe() const override { return str(linear_.describe(), " + ", loss_.describe()); }
  Signature infer(const Signature& x) const override;
  Traits traits() const override {
    return {.backward_reads_x = false, .gradient_in_forward = true};
  }
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature& x, const ParameterGradients& parameters) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context&, const BackwardCall&) override {}
  void verify(Context& context) override { loss_.verify(context); }
  std::int64_t multiply_adds(const Signature& x) const override;
  std::int64_t backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                      const ParameterGradients& parameters) const override;

  /// Of one chunk; 0 before the layer is built.
  std::int64_t chunk_rows() const { return chunk_rows_; }

 private:
  /// Weight and bias, or their gradients, as they lie in memory.
  struct Head {
    Tensor weight, bias;
    Gradient dweight, dbias;
  };
  Head head(const ParameterGradients& gradients) const;
  Head summed(const Head& head, std::int64_t rows) const;
  void run_chunk(Context& context, const Head& head, const Tensor& x, const Tensor& labels,
                 const Gradient& dx, const Tensor& totals, bool first);

  std::string name_;
  Linear linear_;
  CrossEntropyLoss loss_;
  std::int64_t asked_rows_;      ///< 0: as many as suit
  std::int64_t chunk_rows_ = 0;  ///< of the graph it was built for last, in which types may differ
  Slot logits_;
  Slot weight_sum_, bias_sum_;  ///< float32, where several chunks make 16-bit gradients
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
