// Bilinear: each output is a bilinear form of two inputs.
#pragma once

#include "core/graph/graph.h"
#include "kernels/engines/matmul.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// x1 [..., in1], x2 [..., in2] -> y [..., out], y_o = x1^T W_o x2 + b_o; weight [out, in1, in2],
/// bias [out]. Through products alone: the pairs x1_i x2_j, [rows, in1 in2], are kept from forward
/// to backward, and times the weight as a matrix they are y.
class Bilinear : public LayerOf<Bilinear> {
 public:
  explicit Bilinear(std::int64_t out, bool bias = true);

  std::string kind() const override { return "bilinear"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true}; }
  void build(Builder& builder) override;
  void prepare(Context& context, const Signature& x, const ParameterGradients& parameters) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;
  std::int64_t multiply_adds(const Signature& x) const override;
  std::int64_t backward_multiply_adds(const Signature& x, std::span<const Gradient> dx,
                                      const ParameterGradients& parameters) const override;

 private:
  Tensor weight_matrix(const Tensor& weight) const;

  std::int64_t out_;
  bool has_bias_;
  Parameter weight_, bias_;
  Slot pairs_, pair_gradients_, bias_scratch_;
};

/// x1 [..., n], x2 [..., m] of one floating type -> y [..., out], y_o = x1^T W_o x2 + b_o with
/// learned W [out, n, m] and b [out]. Throws Error where the leading axes differ.
Value bilinear(const Value& x1, const Value& x2, std::int64_t out);

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
