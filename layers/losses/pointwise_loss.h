// PointwiseLoss: a loss that applies one function to each element of a prediction and its target.
// It is made of a functor alone (layers/losses/pointwise_loss.cuh); the kernel differentiates the
// functor by itself.
#pragma once

#include <functional>
#include <string>

#include "kernels/pointwise_loss.h"
#include "layers/losses/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Inputs prediction and target, floating, of one type and shape; both may want gradients. The
/// totals' second is the number of elements, or of entries of the leading axis.
class PointwiseLoss : public LossOf<PointwiseLoss> {
 public:
  /// What layers/losses/pointwise_loss.cuh makes of a functor.
  struct Operations {
    std::string kind;
    std::function<void(Stream&, const PointwiseLossCall&)> run;
    ValueRange prediction = {};                    ///< what x is meant to be
    ValueRange target = {};                        ///< what t has to be
    std::function<double(double)> best = nullptr;  ///< see LossLayer::best; null: t
    /// The probability that x stands for, of losses of probabilities; null: x is the prediction.
    std::function<double(double)> probability = nullptr;
  };
  struct Form {
    Reduction reduction = Reduction::mean;
    /// Totals count entries of the leading axis instead of elements: PyTorch's "batchmean".
    bool of_batch = false;
  };
  PointwiseLoss(Operations operations, const Form& form);

  std::string kind() const override { return operations_.kind; }
  Signature infer(const Signature& x) const override;
  std::vector<ValueRange> expects() const override {
    return {operations_.prediction, operations_.target};
  }
  Predicted predicts() const override {
    return operations_.probability ? Predicted::probability : Predicted::number;
  }
  void inverse_link(std::span<double> prediction) const override;
  void build(Builder& builder) override;
  void best(std::span<const float> target, std::span<float> prediction) const override;

 protected:
  void run(Context& context, const Run& run) override;

 private:
  Operations operations_;
  Form form_;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
