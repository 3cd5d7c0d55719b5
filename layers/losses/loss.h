// Loss: what all losses have in common. How their samples are put together, who makes the gradient
// when, and the loss scale.
#pragma once

#include "core/graph/graph.h"
#include "core/graph/loss.h"
#include "kernels/loss.h"

namespace adjoint {
class Options;
}

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// What a loss makes of its samples' losses.
enum class Reduction : std::uint8_t {
  mean,  ///< totals [3]: sum, number that count, number predicted right; the optimizer divides
  sum,   ///< totals [4], the same and 1: the optimizer does not divide (kernels/totals.h)
  none,  ///< the samples' losses themselves, which other layers may go on with
};

/// `reduction` in recipes: "mean", "sum" or "none".
Reduction reduction_option(Options& options);

/// Stands for infinity where a best prediction is a logarithm or a logit of a probability of 0 or
/// 1: what is left of the loss vanishes.
inline constexpr double kFarLogit = 100;

/// Base of losses. With reductions `mean` and `sum`, forward makes the gradient of the sum, times
/// the context's loss scale, while it makes the loss. Where a layer reads the totals (see
/// Layer::defer_gradient), and with `none`, backward makes it from dy: then x is read twice.
class Loss : public LossLayer {
 public:
  explicit Loss(Reduction reduction = Reduction::mean) : reduction_(reduction) {}

  Traits traits() const final;
  void defer_gradient() final { deferred_ = true; }
  void forward(Context& context, const ForwardCall& call) final;
  void backward(Context& context, const BackwardCall& call) final;

  Reduction reduction() const { return reduction_; }

 protected:
  /// One run: `out` has totals in forward and losses where they are the output, or what gradients
  /// are multiplied by; gradients are written where wanted.
  struct Run {
    std::span<const Tensor> x;
    std::span<const Gradient> dx;
    LossOutput out;

    /// `out` with losses and their gradient as one axis.
    LossOutput out_of_rows() const;
  };
  virtual void run(Context& context, const Run& run) = 0;

  /// The output for inputs of type `x` with losses of shape `samples`.
  Signature output(DType x, const Shape& samples) const;
  /// Declares what runs over at most that many pieces (see kernels/loss.h) need to add up.
  void build_sums(Builder& builder, std::int64_t most_pieces);
  /// Where a run leaves these totals.
  LossOutput sums(const Tensor& totals) const;
  bool undivided() const { return reduction_ == Reduction::sum; }

 private:
  Reduction reduction_;
  bool deferred_ = false;
  Slot counter_, scratch_;
  Slot unread_;  ///< totals where losses are the output: kernels note bad labels with them
};

/// Base of concrete losses: supplies twin() as a copy.
template <class Derived>
class LossOf : public Loss {
 public:
  using Loss::Loss;
  std::shared_ptr<Layer> twin() const override {
    return std::make_shared<Derived>(static_cast<const Derived&>(*this));
  }
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
