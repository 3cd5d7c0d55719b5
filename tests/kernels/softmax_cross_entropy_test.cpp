// Softmax cross-entropy against a naive float64 reference: loss, gradient, counts, bad labels,
// extremes.
#include "kernels/softmax_cross_entropy.h"

#include <limits>

#include "kernel_test.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using SoftmaxCrossEntropyTest = KernelTest<T>;
TYPED_TEST_SUITE(SoftmaxCrossEntropyTest, FloatingTypes);

/// The definition in float64; rows whose label is no class have neither loss nor gradient.
struct Reference {
  std::vector<double> gradient, losses, totals = {0, 0, 0};

  Reference(const std::vector<double>& x, const std::vector<std::int32_t>& labels,
            std::int64_t classes, double smoothing, double weight) {
    for (std::size_t r = 0; r < labels.size(); ++r) {
      const double* const row = x.data() + std::int64_t(r) * classes;
      if (labels[r] < 0 || labels[r] >= classes) {
        gradient.resize(gradient.size() + std::size_t(classes), 0.0);
        losses.push_back(0);
        continue;
      }
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < classes; ++j)
        if (row[j] > row[best]) best = j;
      double z = 0, loss = 0;
      for (std::int64_t j = 0; j < classes; ++j) z += std::exp(row[j] - row[best]);
      for (std::int64_t j = 0; j < classes; ++j) {
        const double target = (j == labels[r] ? 1 - smoothing : 0.0) + smoothing / double(classes);
        if (target > 0) loss -= target * (row[j] - row[best] - std::log(z));
        gradient.push_back(weight * (std::exp(row[j] - row[best]) / z - target));
      }
      losses.push_back(weight * loss);
      totals[0] += weight * loss;
      totals[1] += 1;
      totals[2] += best == labels[r];
    }
  }
};

template <class T>
struct Case {
  using A = Accumulate<T>;
  Context& context;
  std::int64_t rows, classes;
  std::size_t offset;
  std::vector<T> values = random_values<T>(std::size_t(rows * classes), 5, 3.0);
  std::vector<std::int32_t> label_values = [this] {
    std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
    std::mt19937 engine(6);
    for (auto& label : labels) label = std::int32_t(engine() % std::uint32_t(classes));
    return labels;
  }();
  DeviceVector<T> logits{context, values, offset};
  DeviceVector<T> gradient{context, values.size(), offset};
  DeviceVector<std::int32_t> labels{context, label_values};
  DeviceVector<T> losses{context, std::size_t(rows)};
  DeviceVector<A> totals{context, std::vector<A>{1, 2, 3}};
  DeviceVector<std::int32_t> status{context, std::vector<std::int32_t>{0, 0}},
      counter{context, std::vector<std::int32_t>{0}};
  TensorType scratch_type = loss_scratch(rows);
  DeviceVector<double> scratch{context, std::size_t(scratch_type.shape.count())};

  SoftmaxCrossEntropy call() const {
    return {.logits = logits.tensor({rows, classes}),
            .labels = labels.tensor({rows}),
            .gradient = gradient.tensor({rows, classes}),
            .out = {.totals = totals.tensor({3}),
                    .losses = losses.tensor({rows}),
                    .counter = counter.tensor({1}),
                    .scratch = scratch.tensor(scratch_type.shape)},
            .status = status.tensor({2})};
  }
  void expect(const Reference& want, double allowed) const {
    ADJOINT_EXPECT_CLOSE(gradient.download(), want.gradient, allowed);
    const double exact = sizeof(T) == 8 ? 1e-13 : 1e-6;
    ADJOINT_EXPECT_CLOSE(losses.download(), want.losses, allowed);
    const auto sums = to_double(totals.download());
    EXPECT_LE(std::abs(sums[0] - want.totals[0]), exact * std::abs(want.totals[0]));
    EXPECT_EQ(sums[1], want.totals[1]);
    EXPECT_EQ(sums[2], want.totals[2]);
    EXPECT_EQ(counter.download()[0], 0);
  }
};

TYPED_TEST(SoftmaxCrossEntropyTest, MatchesReference) {
  for (auto [rows, classes] : {std::pair{1, 1},
                               {5, 10},
                               {33, 64},
                               {3, 1003},
                               {2, 4096},
                               {1100, 3},
                               {1, 50304},
                               {1, 70000}})
    for_each_variant([&](const Variant& variant) {
      if (variant.gpu_blocks && rows * classes > 20000 && variant.offset == 1) return;
      SCOPED_TRACE(str(rows, " x ", classes));
      Case<TypeParam> c{this->context, rows, classes, variant.offset};
      const Reference want(to_double(c.values), c.label_values, classes, 0.0, 1.0);
      softmax_cross_entropy(this->context.stream(), c.call());
      c.expect(want, tolerance(kDTypeOf<TypeParam>));
      EXPECT_EQ(c.status.download(), (std::vector<std::int32_t>{0, 0}));
    });
}

// Rows of every form that do not begin on 16 bytes, each at another place, in and beyond registers:
// plain; smoothed, added to a gradient, with most logits of -infinity and the largest behind them.
TYPED_TEST(SoftmaxCrossEntropyTest, TakesLongRowsWhereverTheyBegin) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const std::int64_t classes : {131, 1003, 2047, 9001, 33'001, 50'257})
    for (const std::size_t offset : {0, 3}) {
      GpuBlocks blocks;
      SCOPED_TRACE(str(classes, " classes, offset ", offset));
      constexpr std::int64_t kRows = 3;
      Case<TypeParam> c{this->context, kRows, classes, offset};
      const double allowed = tolerance(kDTypeOf<TypeParam>);
      const Reference plain(to_double(c.values), c.label_values, classes, 0.0, 1.0);
      softmax_cross_entropy(this->context.stream(), c.call());
      c.expect(plain, allowed);
      // In place, the bits of a gradient of its own.
      const std::vector<TypeParam> gradient = c.gradient.download();
      SoftmaxCrossEntropy call = c.call();
      call.gradient = call.logits;
      softmax_cross_entropy(this->context.stream(), call);
      EXPECT_TRUE(same_bits(c.logits.download(), gradient));

      const Reference smoothed(to_double(c.values), c.label_values, classes, 0.1, 1.0);
      c.logits.upload(c.values);
      c.gradient.upload(std::vector<TypeParam>(c.values.size(), TypeParam(1.0f)));
      call = c.call();
      call.label_smoothing = 0.1;
      call.accumulate_gradient = true;
      softmax_cross_entropy(this->context.stream(), call);
      Reference added = smoothed;
      for (double& value : added.gradient) value += 1;
      c.expect(added, allowed);

      std::vector<double> x(c.values.size(), -kInfinity);
      for (std::int64_t row = 0; row < kRows; ++row) {
        x[std::size_t(row * classes + row)] = -2e4;
        x[std::size_t((row + 1) * classes - 2 - row)] = 2e4;
      }
      c.values = from_double<TypeParam>(x);
      c.logits.upload(c.values);
      c.label_values = {0, std::int32_t(classes - 3), std::int32_t(classes - 4)};
      c.labels.upload(c.label_values);
      const Reference extreme(to_double(c.values), c.label_values, classes, 0.0, 1.0);
      softmax_cross_entropy(this->context.stream(), c.call());
      c.expect(extreme, allowed);
    }
}

TYPED_TEST(SoftmaxCrossEntropyTest, SmoothsWeighsIgnoresAndWritesOverLogits) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 21, 40, variant.offset};
    c.label_values[0] = c.label_values[20] = -100;
    c.labels.upload(c.label_values);
    const Reference want(to_double(c.values), c.label_values, 40, 0.1, 0.25);
    SoftmaxCrossEntropy call = c.call();
    call.label_smoothing = 0.1;
    call.weight = 0.25;
    softmax_cross_entropy(this->context.stream(), call);
    c.expect(want, tolerance(kDTypeOf<TypeParam>));
    EXPECT_EQ(c.status.download()[0], 0);
    // Totals add, the gradient replaces the logits; a second call meets the counter at 0.
    const auto before = to_double(c.totals.download());
    call.gradient = call.logits;
    call.out.accumulate_totals = true;
    softmax_cross_entropy(this->context.stream(), call);
    ADJOINT_EXPECT_CLOSE(c.logits.download(), want.gradient, tolerance(kDTypeOf<TypeParam>));
    EXPECT_EQ(to_double(c.totals.download())[1], 2 * before[1]);
    EXPECT_EQ(to_double(c.totals.download())[0], 2 * before[0]);
    // Without gradient and losses, in evaluation.
    c.logits.upload(c.values);
    call = c.call();
    call.gradient = call.out.losses = Tensor();
    softmax_cross_entropy(this->context.stream(), call);
    EXPECT_EQ(to_double(c.totals.download())[1], before[1]);
  });
}

// Rows of every form, with padding that is nowhere read: NaN in the logits. In place, as the
// product of a padded vocabulary has it, and beside, where it adds.
TYPED_TEST(SoftmaxCrossEntropyTest, ColumnsBehindTheClassesArePadding) {
  using T = TypeParam;
  for (const auto& [classes, columns] :
       {std::pair{5, 8}, {131, 160}, {1003, 1005}, {1003, 1024}, {9001, 9024}, {33'001, 33'024}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(classes, " of ", columns));
      Case<T> c{this->context, 3, classes, variant.offset};
      c.label_values[1] = -100;
      c.labels.upload(c.label_values);
      const Reference want(to_double(c.values), c.label_values, classes, 0.1, 1.0);
      const auto padded = [&](const std::vector<T>& from, double padding) {
        std::vector<T> to(std::size_t(3 * columns), T(float(padding)));
        for (std::int64_t row = 0; row < 3; ++row)
          std::copy_n(from.begin() + row * classes, classes, to.begin() + row * columns);
        return to;
      };
      const auto expect_rows = [&](const DeviceVector<T>& got, double added, double padding) {
        std::vector<double> rows;
        const auto all = to_double(got.download());
        for (std::int64_t row = 0; row < 3; ++row) {
          const auto begin = all.begin() + row * columns;
          rows.insert(rows.end(), begin, begin + classes);
          EXPECT_EQ(std::vector<double>(begin + classes, begin + columns),
                    std::vector<double>(std::size_t(columns - classes), padding));
        }
        std::vector<double> expected = want.gradient;
        for (double& value : expected) value += added;
        ADJOINT_EXPECT_CLOSE(from_double<T>(rows), expected, tolerance(kDTypeOf<T>));
      };
      const double nan = std::numeric_limits<double>::quiet_NaN();
      DeviceVector<T> logits(this->context, padded(c.values, nan), variant.offset);
      const std::vector<T> ones(c.values.size(), T(1.0f));
      DeviceVector<T> gradient(this->context, padded(ones, 1), variant.offset);
      SoftmaxCrossEntropy call = c.call();
      call.label_smoothing = 0.1;
      call.classes = classes;
      call.logits = logits.tensor({3, columns});
      call.gradient = gradient.tensor({3, columns});
      call.accumulate_gradient = true;
      softmax_cross_entropy(this->context.stream(), call);
      expect_rows(gradient, 1, 1);
      call.gradient = call.logits;
      call.accumulate_gradient = false;
      softmax_cross_entropy(this->context.stream(), call);
      expect_rows(logits, 0, 0);
      ADJOINT_EXPECT_CLOSE(c.losses.download(), want.losses, tolerance(kDTypeOf<T>));
      EXPECT_EQ(to_double(c.totals.download())[2], want.totals[2]);
    });
  Case<T> c{this->context, 3, 4, 0};
  SoftmaxCrossEntropy call = c.call();
  call.classes = 5;
  test::expect_error([&] { softmax_cross_entropy(this->context.stream(), call); },
                     {"softmax_cross_entropy", "4 columns", "5"});
}

TYPED_TEST(SoftmaxCrossEntropyTest, AddsToGradient) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 4, 16, variant.offset};
    c.label_values[2] = -100;
    c.labels.upload(c.label_values);
    Reference want(to_double(c.values), c.label_values, 16, 0.0, 1.0);
    c.gradient.upload(from_double<TypeParam>(std::vector<double>(64, 2.0)));
    SoftmaxCrossEntropy call = c.call();
    call.accumulate_gradient = true;
    softmax_cross_entropy(this->context.stream(), call);
    for (double& value : want.gradient) value += 2;
    ADJOINT_EXPECT_CLOSE(c.gradient.download(), want.gradient, tolerance(kDTypeOf<TypeParam>));
  });
}

TYPED_TEST(SoftmaxCrossEntropyTest, NamesTheFirstBadLabel) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 1500, 4, variant.offset};
    c.label_values[1234] = 4;
    c.label_values[77] = -3;
    c.labels.upload(c.label_values);
    const Reference want(to_double(c.values), c.label_values, 4, 0.0, 1.0);
    softmax_cross_entropy(this->context.stream(), c.call());
    EXPECT_EQ(c.status.download(), (std::vector<std::int32_t>{78, -3}));
    c.expect(want, tolerance(kDTypeOf<TypeParam>));
    // The first complaint stays.
    c.label_values[3] = 9;
    c.labels.upload(c.label_values);
    softmax_cross_entropy(this->context.stream(), c.call());
    EXPECT_EQ(c.status.download(), (std::vector<std::int32_t>{78, -3}));
  });
}

TYPED_TEST(SoftmaxCrossEntropyTest, StandsExtremeLogits) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 4, 8, variant.offset};
    std::vector<double> x(32, 0.0);
    x[0] = 1e4, x[9] = -1e4, x[16] = x[17] = 1e4;
    for (int i = 1; i < 8; ++i) x[std::size_t(24 + i)] = -kInfinity;
    c.values = from_double<TypeParam>(x);
    c.logits.upload(c.values);
    c.label_values = {0, 1, 0, 0};
    c.labels.upload(c.label_values);
    const Reference want(to_double(c.values), c.label_values, 8, 0.0, 1.0);
    softmax_cross_entropy(this->context.stream(), c.call());
    c.expect(want, tolerance(kDTypeOf<TypeParam>));
  });
}

// z lies just above 1, so its rounding, and no more, is what log z is off by.
TYPED_TEST(SoftmaxCrossEntropyTest, ConfidentRowsOfLargeLogitsKeepTheirLoss) {
  using A = Accumulate<TypeParam>;
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 1, 2, variant.offset};
    c.logits.upload(from_double<TypeParam>({1024, 1016}));
    c.labels.upload({0});
    softmax_cross_entropy(this->context.stream(), c.call());
    EXPECT_NEAR(double(c.totals.download()[0]), std::log1p(std::exp(-8.0)),
                double(std::numeric_limits<A>::epsilon()));
  });
}

TYPED_TEST(SoftmaxCrossEntropyTest, TotalsOfNoRowsAreZero) {
  Case<TypeParam> c{this->context, 0, 10, 0};
  softmax_cross_entropy(this->context.stream(), c.call());
  EXPECT_EQ(to_double(c.totals.download()), std::vector<double>(3, 0.0));
}

TYPED_TEST(SoftmaxCrossEntropyTest, RepeatsBitForBit) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 200, 24, variant.offset};
    const auto run = [&] {
      softmax_cross_entropy(this->context.stream(), c.call());
      return std::pair(c.totals.download(), c.gradient.download());
    };
    const auto one = with_workers(1, run), two = with_workers(2, run);
    EXPECT_TRUE(same_bits(one.first, two.first) && same_bits(one.second, two.second));
  });
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
