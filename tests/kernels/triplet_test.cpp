// The triplet loss against a naive float64 reference.
#include "kernels/triplet.h"

#include "row_loss_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using TripletKernel = KernelTest<T>;
TYPED_TEST_SUITE(TripletKernel, FloatingTypes);

struct Reference : RowLossReference {
  std::vector<double> da, dp, dn;

  Reference(const std::vector<double>& a, const std::vector<double>& p,
            const std::vector<double>& n, std::size_t rows, std::size_t cols, double margin) {
    const double small = 1e-6;
    for (std::size_t r = 0; r < rows; ++r) {
      double near = 0, far = 0;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        near += (a[i] - p[i] + small) * (a[i] - p[i] + small);
        far += (a[i] - n[i] + small) * (a[i] - n[i] + small);
      }
      near = std::sqrt(near);
      far = std::sqrt(far);
      losses.push_back(std::max(0.0, near - far + margin));
      count += 1;
      right += near < far;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        const double on = losses.back() > 0 ? 1 : 0;
        const double u = on * (a[i] - p[i] + small) / near, v = on * (a[i] - n[i] + small) / far;
        da.push_back(u - v);
        dp.push_back(-u);
        dn.push_back(v);
      }
    }
  }
};

TYPED_TEST(TripletKernel, MatchesReference) {
  using T = TypeParam;
  const double allowed = std::max(tolerance(kDTypeOf<T>), sizeof(T) == 8 ? 1e-12 : 5e-6);
  for (auto [rows, cols] : {std::pair<std::int64_t, std::int64_t>{0, 3},
                            {1, 1},
                            {5, 10},
                            {3, 1003},
                            {2, 4096},
                            {1030, 8}})
    for_each_variant([&, rows = rows, cols = cols](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", cols));
      const std::size_t size = std::size_t(rows * cols);
      const Shape shape{rows, cols};
      // Distances near 1: a loss is the small difference of two.
      const double scale = 1 / std::sqrt(double(cols));
      const Operand<T> a(this->context, random_values<T>(size, 1, scale), shape, variant.offset);
      const Operand<T> p(this->context, random_values<T>(size, 2, scale), shape, variant.offset);
      const Operand<T> n(this->context, random_values<T>(size, 3, scale), shape, variant.offset);
      const Reference want(to_double(a.values), to_double(p.values), to_double(n.values),
                           std::size_t(rows), std::size_t(cols), 0.75);
      const RowLossResults<T> results(this->context, rows);
      triplet(this->context.stream(), {.anchor = a.tensor(),
                                       .positive = p.tensor(),
                                       .negative = n.tensor(),
                                       .danchor = a.into(GradientMode::overwrite),
                                       .dpositive = p.into(GradientMode::accumulate),
                                       .dnegative = n.into(GradientMode::overwrite),
                                       .out = results.out(),
                                       .margin = 0.75});
      results.expect(want, allowed);
      a.expect(want.da, 0.5, false, allowed);
      p.expect(want.dp, 0.5, true, allowed);
      n.expect(want.dn, 0.5, false, allowed);
    });
}

TYPED_TEST(TripletKernel, TripletsAtTheMarginAreLeftAlone) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    // Positive and negative are equally far, and no farther is asked for.
    const Operand<T> a(this->context, from_double<T>({1, 2, 3, 4}), {2, 2}, variant.offset);
    const Operand<T> p(this->context, from_double<T>({2, 2, 3, 6}), {2, 2}, variant.offset);
    const RowLossResults<T> results(this->context, 2);
    triplet(this->context.stream(), {.anchor = a.tensor(),
                                     .positive = p.tensor(),
                                     .negative = p.tensor(),
                                     .danchor = a.into(GradientMode::overwrite),
                                     .dpositive = p.into(GradientMode::overwrite),
                                     .dnegative = {},
                                     .out = results.out(),
                                     .margin = 0});
    EXPECT_EQ(to_double(results.losses.download()), (std::vector<double>{0, 0}));
    EXPECT_EQ(to_double(p.gradient.download()), std::vector<double>(4, 0.0));
    EXPECT_EQ(to_double(a.gradient.download()), std::vector<double>(4, 0.0));
  });
}

TYPED_TEST(TripletKernel, RefusesWhatDoesNotFit) {
  const Operand<TypeParam> a(this->context, random_values<TypeParam>(12, 1), {3, 4}, 0);
  const RowLossResults<TypeParam> results(this->context, 3);
  EXPECT_THROW(triplet(this->context.stream(), {.anchor = a.tensor(),
                                                .positive = a.device.tensor({4, 3}),
                                                .negative = a.tensor(),
                                                .out = results.out()}),
               Error);
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
