// What the tests of losses over rows share: results on the device, and how they are compared.
#pragma once

#include "kernel_test.h"
#include "kernels/loss.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {

/// Losses of rows in float64, with the totals of those that count.
struct RowLossReference {
  std::vector<double> losses;
  double count = 0, right = 0;

  double sum() const {
    double total = 0;
    for (double loss : losses) total += loss;
    return total;
  }
};

/// Where a kernel leaves losses and totals of `rows` rows.
template <class T>
struct RowLossResults {
  using A = Accumulate<T>;
  RowLossResults(Context& context, std::int64_t rows)
      : rows(rows),
        losses(context, std::size_t(rows)),
        totals(context, std::vector<A>{1, 2, 3}),
        status(context, std::vector<std::int32_t>{0, 0}),
        counter(context, std::vector<std::int32_t>{0}),
        scratch(context, std::size_t(loss_scratch(rows).shape.count())),
        scale(context, std::vector<float>{0.5f}) {}

  LossOutput out() const {
    return {.totals = totals.tensor({3}),
            .losses = losses.tensor({rows}),
            .counter = counter.tensor({1}),
            .scratch = scratch.tensor(loss_scratch(rows).shape),
            .scale = scale.data()};
  }
  /// `allowed` for losses; totals are sums of unrounded ones.
  void expect(const RowLossReference& want, double allowed) const {
    const double exact = sizeof(T) == 8 ? allowed : 1e-5;
    ADJOINT_EXPECT_CLOSE(losses.download(), want.losses, allowed);
    const auto sums = to_double(totals.download());
    EXPECT_LE(std::abs(sums[0] - want.sum()), exact * std::max(std::abs(want.sum()), 1e-3));
    EXPECT_LE(std::abs(sums[1] - want.count), exact * want.count);
    EXPECT_EQ(sums[2], want.right);
    EXPECT_EQ(counter.download()[0], 0);
  }

  std::int64_t rows;
  DeviceVector<T> losses;
  DeviceVector<A> totals;
  DeviceVector<std::int32_t> status, counter;
  DeviceVector<double> scratch;
  DeviceVector<float> scale;  ///< 1/2, which gradients are multiplied by
};

/// A tensor of a kernel under test with its gradient, which starts at 1.
template <class T>
struct Operand {
  Operand(Context& context, std::vector<T> start, const Shape& shape, std::size_t offset)
      : shape(shape),
        values(std::move(start)),
        device(context, values, offset),
        gradient(context, from_double<T>(std::vector<double>(values.size(), 1.0)), offset) {}

  Tensor tensor() const { return device.tensor(shape); }
  Gradient into(GradientMode mode) const { return {gradient.tensor(shape), mode}; }
  /// Compares with `scale` times the reference, added to the start or not.
  void expect(std::vector<double> want, double scale, bool added, double allowed) const {
    for (double& value : want) value = scale * value + (added ? 1 : 0);
    ADJOINT_EXPECT_CLOSE(gradient.download(), want, allowed);
  }

  Shape shape;
  std::vector<T> values;
  DeviceVector<T> device, gradient;
};

}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
