// BatchNorm: each channel to mean 0 and variance 1 over the batch, then scaled and shifted.
#pragma once

#include "core/graph/graph.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

struct BatchNormOptions {
  std::int64_t channels = 0;  ///< 0 takes what comes
  double epsilon = 1e-5;
  /// Weight of each batch in the running statistics, in [0, 1].
  double momentum = 0.1;
  bool affine = true;  ///< learns weight and bias
  /// Running variances follow those of the batches over n - 1 (as in PyTorch), else over n (as in
  /// ONNX, Keras and Flax).
  bool unbiased = true;
};

/// Ioffe and Szegedy 2015: x [batch, channels, ...], normalised over the batch and all axes behind
/// the channels; weight and bias [channels] start at 1 and 0. While training, running means and
/// variances follow those of the batches; they are saved with the model and are what evaluation
/// normalises by. A batch that gives a channel a single element cannot be trained with.
///
/// Numbers may be up to half of the largest in which sums are made (float32; float64 for float64).
/// A running variance ends at that largest number: evaluation is right for standard deviations up
/// to 10^19 (float64 10^154).
class BatchNorm : public LayerOf<BatchNorm> {
 public:
  explicit BatchNorm(const BatchNormOptions& options = {});

  std::string kind() const override { return "batch_norm"; }
  std::string describe() const override;
  Signature infer(const Signature& x) const override;
  ValueRange output_range(std::span<const ValueRange>, const Signature&) const override {
    return ValueRange::real();
  }
  Traits traits() const override { return {.backward_reads_x = true, .backward_in_place = true}; }
  void build(Builder& builder) override;
  void forward(Context& context, const ForwardCall& call) override;
  void backward(Context& context, const BackwardCall& call) override;

 private:
  BatchNormOptions options_;
  Parameter weight_, bias_;
  Slot running_mean_, running_variance_, mean_, rstd_, forward_scratch_, backward_scratch_;
};

/// x [batch, channels, ...], floating -> the same shape: (x - mean) / sqrt(variance + epsilon)
/// weight + bias of each channel (Ioffe and Szegedy 2015), by the batch while training and by the
/// running statistics otherwise. Throws Error for an x without channels, or with others than the
/// options say.
Value batch_norm(const Value& x, const BatchNormOptions& options = {});

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
