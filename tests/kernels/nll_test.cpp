// The negative log-likelihood against a naive float64 reference: weights, ignored and bad labels.
#include "kernels/nll.h"

#include "row_loss_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using NllKernel = KernelTest<T>;
TYPED_TEST_SUITE(NllKernel, FloatingTypes);

TYPED_TEST(NllKernel, MatchesReference) {
  using T = TypeParam;
  for (auto [rows, classes] :
       {std::pair<std::int64_t, std::int64_t>{0, 3}, {1, 1}, {5, 10}, {3, 1003}, {1030, 3}})
    for_each_variant([&, rows = rows, classes = classes](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", classes));
      const std::size_t width = std::size_t(classes);
      const Operand<T> x(this->context, random_values<T>(std::size_t(rows) * width, 1),
                         {rows, classes}, variant.offset);
      std::vector<std::int32_t> labels;
      std::vector<double> weights;
      for (std::size_t j = 0; j < width; ++j) weights.push_back(0.25 * double(1 + j % 5));
      for (std::int64_t r = 0; r < rows; ++r)
        labels.push_back(r % 7 == 3 ? -100 : std::int32_t(r * 31 % classes));
      const auto values = to_double(x.values);
      RowLossReference want;
      std::vector<double> gradient(values.size(), 0.0);
      for (std::size_t r = 0; r < labels.size(); ++r) {
        want.losses.push_back(0);
        if (labels[r] < 0) continue;
        const double* const row = values.data() + r * width;
        const std::size_t label = std::size_t(labels[r]);
        want.losses[r] = -weights[label] * row[label];
        want.count += weights[label];
        want.right += std::size_t(std::max_element(row, row + width) - row) == label;
        gradient[r * width + label] = -weights[label];
      }
      const RowLossResults<T> results(this->context, rows);
      const DeviceVector<std::int32_t> on_device(this->context, labels);
      const DeviceVector<Accumulate<T>> w(this->context, from_double<Accumulate<T>>(weights));
      for (GradientMode mode : {GradientMode::accumulate, GradientMode::overwrite}) {
        nll(this->context.stream(), {.x = x.tensor(),
                                     .labels = on_device.tensor({rows}),
                                     .dx = x.into(mode),
                                     .class_weights = w.tensor({classes}),
                                     .out = results.out(),
                                     .status = results.status.tensor({2})});
        results.expect(want, tolerance(kDTypeOf<T>));
        x.expect(gradient, 0.5, mode == GradientMode::accumulate, tolerance(kDTypeOf<T>));
      }
      EXPECT_EQ(results.status.download()[0], 0);
    });
}

TYPED_TEST(NllKernel, NamesTheFirstBadLabel) {
  for_each_variant([&](const Variant& variant) {
    const Operand<TypeParam> x(this->context, random_values<TypeParam>(40, 1), {10, 4},
                               variant.offset);
    const RowLossResults<TypeParam> results(this->context, 10);
    const DeviceVector<std::int32_t> labels(
        this->context, std::vector<std::int32_t>{0, 1, 2, 3, -1, 4, 0, 0, 9, 0});
    NllCall call{.x = x.tensor(),
                 .labels = labels.tensor({10}),
                 .dx = x.into(GradientMode::overwrite),
                 .out = results.out(),
                 .status = results.status.tensor({2}),
                 .ignored_label = -1};
    nll(this->context.stream(), call);
    EXPECT_EQ(results.status.download(), (std::vector<std::int32_t>{6, 4}));
    EXPECT_EQ(to_double(results.totals.download())[1], 7);
    call.labels = labels.tensor({9});
    EXPECT_THROW(nll(this->context.stream(), call), Error);
  });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
