// Losses of the angle between vectors against a naive float64 reference.
#include "kernels/cosine_embedding.h"

#include "row_loss_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using CosineEmbeddingKernel = KernelTest<T>;
TYPED_TEST_SUITE(CosineEmbeddingKernel, FloatingTypes);

constexpr double kMargin = 0.125;

struct Reference : RowLossReference {
  std::vector<double> da, db;

  Reference(const std::vector<double>& a, const std::vector<double>& b, std::size_t cols,
            const std::vector<std::int32_t>& labels) {
    for (std::size_t r = 0; r < labels.size(); ++r) {
      double ab = 0, aa = 1e-12, bb = 1e-12;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
      }
      const double norm = std::sqrt(aa * bb), cosine = ab / norm;
      const bool alike = labels[r] == 1;
      const double slope = alike ? -1 : cosine > kMargin ? 1 : 0;
      losses.push_back(alike ? 1 - cosine : std::max(0.0, cosine - kMargin));
      count += 1;
      right += losses.back() <= 0;
      for (std::size_t i = r * cols; i < (r + 1) * cols; ++i) {
        da.push_back(slope * (b[i] / norm - cosine * a[i] / aa));
        db.push_back(slope * (a[i] / norm - cosine * b[i] / bb));
      }
    }
  }
};

TYPED_TEST(CosineEmbeddingKernel, MatchesReference) {
  using T = TypeParam;
  // The loss of nearly parallel vectors is a small difference of large numbers.
  const double allowed = std::max(tolerance(kDTypeOf<T>), sizeof(T) == 8 ? 1e-12 : 2e-6);
  for (auto [rows, cols] :
       {std::pair<std::int64_t, std::int64_t>{0, 3}, {5, 10}, {3, 1003}, {2, 4096}, {1030, 8}})
    for_each_variant([&, rows = rows, cols = cols](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", cols));
      const std::size_t n = std::size_t(rows * cols);
      const Operand<T> a(this->context, random_values<T>(n, 1), {rows, cols}, variant.offset);
      const Operand<T> b(this->context, random_values<T>(n, 2), {rows, cols}, variant.offset);
      std::vector<std::int32_t> labels;
      for (std::int64_t r = 0; r < rows; ++r) labels.push_back(r % 3 == 1 ? -1 : 1);
      const Reference want(to_double(a.values), to_double(b.values), std::size_t(cols), labels);
      const RowLossResults<T> results(this->context, rows);
      const DeviceVector<std::int32_t> on_device(this->context, labels);
      CosineEmbeddingCall call{.a = a.tensor(),
                               .b = b.tensor(),
                               .labels = on_device.tensor({rows}),
                               .da = a.into(GradientMode::accumulate),
                               .db = b.into(GradientMode::overwrite),
                               .out = results.out(),
                               .status = results.status.tensor({2}),
                               .margin = kMargin};
      cosine_embedding(this->context.stream(), call);
      results.expect(want, allowed);
      a.expect(want.da, 0.5, true, allowed);
      b.expect(want.db, 0.5, false, allowed);
      EXPECT_EQ(results.status.download()[0], 0);
    });
}

TYPED_TEST(CosineEmbeddingKernel, StandsVectorsOfNothingAndNamesBadLabels) {
  using T = TypeParam;
  for_each_variant([&](const Variant& variant) {
    const Operand<T> a(this->context, from_double<T>(std::vector<double>(12, 0.0)), {3, 4},
                       variant.offset);
    const RowLossResults<T> results(this->context, 3);
    const DeviceVector<std::int32_t> labels(this->context, std::vector<std::int32_t>{1, -1, 0});
    cosine_embedding(this->context.stream(), {.a = a.tensor(),
                                              .b = a.tensor(),
                                              .labels = labels.tensor({3}),
                                              .da = a.into(GradientMode::overwrite),
                                              .out = results.out(),
                                              .status = results.status.tensor({2})});
    EXPECT_EQ(to_double(results.losses.download()), (std::vector<double>{1, 0, 0}));
    EXPECT_EQ(to_double(a.gradient.download()), std::vector<double>(12, 0.0));
    EXPECT_EQ(results.status.download(), (std::vector<std::int32_t>{3, 0}));
  });
}

TYPED_TEST(CosineEmbeddingKernel, UnlikeVectorsAtTheMarginAreLeftAlone) {
  using T = TypeParam;
  // Orthogonal, one of nothing, both of nothing: cosines of 0, the margin.
  const std::vector<double> of_a = {1, 0, 0, 0, 0, 0}, of_b = {0, 1, 0.6, 0.8, 0, 0};
  for_each_variant([&](const Variant& variant) {
    const Operand<T> a(this->context, from_double<T>(of_a), {3, 2}, variant.offset);
    const Operand<T> b(this->context, from_double<T>(of_b), {3, 2}, variant.offset);
    const RowLossResults<T> results(this->context, 3);
    const DeviceVector<std::int32_t> labels(this->context, std::vector<std::int32_t>{-1, -1, -1});
    cosine_embedding(this->context.stream(), {.a = a.tensor(),
                                              .b = b.tensor(),
                                              .labels = labels.tensor({3}),
                                              .da = a.into(GradientMode::overwrite),
                                              .db = b.into(GradientMode::overwrite),
                                              .out = results.out(),
                                              .status = results.status.tensor({2})});
    EXPECT_EQ(to_double(results.losses.download()), (std::vector<double>{0, 0, 0}));
    EXPECT_EQ(to_double(a.gradient.download()), std::vector<double>(6, 0.0));
    EXPECT_EQ(to_double(b.gradient.download()), std::vector<double>(6, 0.0));
  });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
