// Cross-entropy against distributions, and against weighted and smoothed labels, against a naive
// float64 reference: loss, both gradients, counts, extremes.
#include "kernels/soft_cross_entropy.h"

#include <limits>

#include "kernel_test.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using SoftCrossEntropyTest = KernelTest<T>;
TYPED_TEST_SUITE(SoftCrossEntropyTest, FloatingTypes);

using Numbers = std::vector<double>;

/// The definition in float64, of rows that all count once. `weights` may be empty.
struct Reference {
  Numbers gradient, dtargets, losses;
  double sum = 0, right = 0;

  Reference(const Numbers& x, const Numbers& t, std::size_t classes, const Numbers& weights,
            double smoothing) {
    for (std::size_t base = 0; base < x.size(); base += classes) {
      std::size_t best = 0, target = 0;
      for (std::size_t j = 1; j < classes; ++j) {
        if (x[base + j] > x[base + best]) best = j;
        if (t[base + j] > t[base + target]) target = j;
      }
      double z = 0, loss = 0, all = 0;
      for (std::size_t j = 0; j < classes; ++j) z += std::exp(x[base + j] - x[base + best]);
      const auto q = [&](std::size_t j) {
        return (weights.empty() ? 1.0 : weights[j]) *
               ((1 - smoothing) * t[base + j] + smoothing / double(classes));
      };
      for (std::size_t j = 0; j < classes; ++j) {
        all += q(j);
        if (q(j) != 0) loss -= q(j) * (x[base + j] - x[base + best] - std::log(z));
      }
      for (std::size_t j = 0; j < classes; ++j) {
        gradient.push_back(all * std::exp(x[base + j] - x[base + best]) / z - q(j));
        dtargets.push_back(-(weights.empty() ? 1.0 : weights[j]) * (1 - smoothing) *
                           (x[base + j] - x[base + best] - std::log(z)));
      }
      losses.push_back(loss);
      sum += loss;
      right += t[base + best] == t[base + target];
    }
  }
};

template <class T>
struct Case {
  using A = Accumulate<T>;
  Context& context;
  std::size_t rows, classes, offset;
  std::vector<T> x_values = random_values<T>(rows * classes, 5, 3.0);
  std::vector<T> t_values = from_double<T>([this] {
    Numbers values = to_double(random_values<T>(rows * classes, 6));
    for (double& value : values) value = std::abs(value) / double(classes);
    return values;
  }());
  Numbers weight_values = [this] {
    Numbers values;
    for (std::size_t j = 0; j < classes; ++j) values.push_back(0.25 * double(1 + j % 7));
    return values;
  }();
  Shape shape{std::int64_t(rows), std::int64_t(classes)};
  DeviceVector<T> logits{context, x_values, offset}, targets{context, t_values, offset};
  DeviceVector<T> gradient{context, rows*classes, offset}, dtargets{context, rows*classes, offset};
  DeviceVector<T> losses{context, rows};
  DeviceVector<A> totals{context, std::vector<A>{1, 2, 3}};
  DeviceVector<A> weights{context, from_double<A>(weight_values)};
  DeviceVector<std::int32_t> status{context, std::vector<std::int32_t>{0, 0}};
  DeviceVector<std::int32_t> counter{context, std::vector<std::int32_t>{0}};
  TensorType scratch_type = loss_scratch(std::int64_t(rows));
  DeviceVector<double> scratch{context, std::size_t(scratch_type.shape.count())};

  SoftCrossEntropy call() const {
    return {.logits = logits.tensor(shape),
            .targets = targets.tensor(shape),
            .gradient = {gradient.tensor(shape), GradientMode::overwrite},
            .dtargets = {dtargets.tensor(shape), GradientMode::overwrite},
            .out = {.totals = totals.tensor({3}),
                    .losses = losses.tensor({std::int64_t(rows)}),
                    .counter = counter.tensor({1}),
                    .scratch = scratch.tensor(scratch_type.shape)}};
  }
  void expect(const Reference& want, double count) const {
    const double allowed = tolerance(kDTypeOf<T>), exact = sizeof(T) == 8 ? 1e-13 : 1e-6;
    ADJOINT_EXPECT_CLOSE(gradient.download(), want.gradient, allowed);
    ADJOINT_EXPECT_CLOSE(losses.download(), want.losses, allowed);
    const auto sums = to_double(totals.download());
    EXPECT_LE(std::abs(sums[0] - want.sum), exact * std::abs(want.sum));
    EXPECT_LE(std::abs(sums[1] - count), exact * count);
    EXPECT_EQ(sums[2], want.right);
    EXPECT_EQ(counter.download()[0], 0);
  }
};

TYPED_TEST(SoftCrossEntropyTest, MatchesReference) {
  for (auto [rows, classes] : {std::pair{1, 1}, {5, 10}, {33, 64}, {3, 1003}, {2, 4096}, {1030, 3}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", classes));
      Case<TypeParam> c{this->context, std::size_t(rows), std::size_t(classes), variant.offset};
      const double allowed = tolerance(kDTypeOf<TypeParam>);
      const Numbers x = to_double(c.x_values), t = to_double(c.t_values);
      const Reference plain(x, t, c.classes, {}, 0.0);
      soft_cross_entropy(this->context.stream(), c.call());
      c.expect(plain, double(rows));
      ADJOINT_EXPECT_CLOSE(c.dtargets.download(), plain.dtargets, allowed);
      // Weighted and smoothed; the gradient of targets added to what is there.
      const Reference want(x, t, c.classes, c.weight_values, 0.1);
      SoftCrossEntropy call = c.call();
      call.class_weights = c.weights.tensor({classes});
      call.label_smoothing = 0.1;
      call.dtargets.mode = GradientMode::accumulate;
      c.dtargets.upload(from_double<TypeParam>(Numbers(x.size(), 1.0)));
      soft_cross_entropy(this->context.stream(), call);
      c.expect(want, double(rows));
      Numbers added = want.dtargets;
      for (double& value : added) value += 1;
      ADJOINT_EXPECT_CLOSE(c.dtargets.download(), added, allowed);
    });
}

// Labels, weighted and smoothed, beside logits of which some columns are padding.
TYPED_TEST(SoftCrossEntropyTest, ColumnsBehindTheClassesArePadding) {
  using T = TypeParam;
  for (const auto& [classes, columns] :
       {std::pair{5, 8}, {131, 160}, {1003, 1005}, {1003, 1024}, {9001, 9024}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(classes, " of ", columns));
      Case<T> c{this->context, 3, std::size_t(classes), variant.offset};
      const std::vector<std::int32_t> label_values = {2, -100, std::int32_t(classes - 1)};
      const DeviceVector<std::int32_t> labels(this->context, label_values);
      SoftCrossEntropy call = c.call();
      call.targets = Tensor();
      call.dtargets = {};
      call.labels = labels.tensor({3});
      call.status = c.status.tensor({2});
      call.class_weights = c.weights.tensor({classes});
      call.label_smoothing = 0.1;
      soft_cross_entropy(this->context.stream(), call);
      const Numbers gradient = to_double(c.gradient.download()),
                    losses = to_double(c.losses.download());
      std::vector<T> logits(std::size_t(3 * columns), T(std::numeric_limits<float>::quiet_NaN()));
      for (std::int64_t row = 0; row < 3; ++row)
        std::copy_n(c.x_values.begin() + row * classes, classes, logits.begin() + row * columns);
      const DeviceVector<T> padded(this->context, logits, variant.offset);
      call.logits = padded.tensor({3, columns});
      call.classes = classes;
      call.gradient.tensor = call.logits;
      soft_cross_entropy(this->context.stream(), call);
      Numbers want;
      for (std::int64_t row = 0; row < 3; ++row) {
        want.insert(want.end(), gradient.begin() + row * classes,
                    gradient.begin() + (row + 1) * classes);
        want.resize(std::size_t((row + 1) * columns));
      }
      ADJOINT_EXPECT_CLOSE(padded.download(), want, tolerance(kDTypeOf<T>));
      ADJOINT_EXPECT_CLOSE(c.losses.download(), losses, tolerance(kDTypeOf<T>));
      for (std::int64_t row = 0; row < 3; ++row)
        for (std::int64_t j = classes; j < columns; ++j)
          EXPECT_EQ(double(padded.download()[std::size_t(row * columns + j)]), 0.0);
    });
}

// Rows that do not begin on 16 bytes, in and beyond registers; with weights, which lie elsewhere.
TYPED_TEST(SoftCrossEntropyTest, TakesLongRowsWhereverTheyBegin) {
  for (const std::size_t classes : {131u, 1003u, 2047u, 9001u, 50'257u})
    for (const std::size_t offset : {0, 3}) {
      GpuBlocks blocks;
      SCOPED_TRACE(str(classes, " classes, offset ", offset));
      Case<TypeParam> c{this->context, 2, classes, offset};
      const double allowed = tolerance(kDTypeOf<TypeParam>);
      Numbers x = to_double(c.x_values), t = to_double(c.t_values);
      // Nothing can come of a class that is not wanted; the largest lies late.
      x[5] = -std::numeric_limits<double>::infinity();
      t[5] = 0;
      x[classes - 7] = t[classes - 7] = 9;
      c.logits.upload(from_double<TypeParam>(x));
      c.targets.upload(from_double<TypeParam>(t));
      const Reference plain(x, t, classes, {}, 0.0);
      SoftCrossEntropy call = c.call();
      call.dtargets = {};
      soft_cross_entropy(this->context.stream(), call);
      c.expect(plain, 2);
      c.logits.upload(c.x_values);
      const Reference want(to_double(c.x_values), t, classes, c.weight_values, 0.1);
      call = c.call();
      call.class_weights = c.weights.tensor({std::int64_t(classes)});
      call.label_smoothing = 0.1;
      soft_cross_entropy(this->context.stream(), call);
      c.expect(want, 2);
      ADJOINT_EXPECT_CLOSE(c.dtargets.download(), want.dtargets, allowed);
    }
}

TYPED_TEST(SoftCrossEntropyTest, WeighsSmoothedLabels) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 6, 40, variant.offset};
    const std::vector<std::int32_t> labels = {3, -100, 39, 0, 7, 7};
    Numbers x = to_double(c.x_values), t(6 * 40, 0.0);
    double count = 0;
    for (std::size_t r = 0; r < 6; ++r) {
      if (labels[r] < 0) continue;
      t[r * 40 + std::size_t(labels[r])] = 1;
      count += c.weight_values[std::size_t(labels[r])];
    }
    Reference want(x, t, 40, c.weight_values, 0.1);
    // The ignored row has neither loss nor gradient.
    std::fill_n(want.gradient.begin() + 40, 40, 0.0);
    want.sum -= want.losses[1];
    want.losses[1] = 0;
    want.right -= 1;  // all its targets are largest
    const DeviceVector<std::int32_t> on_device(this->context, labels);
    SoftCrossEntropy call = c.call();
    call.targets = Tensor();
    call.dtargets = {};
    call.labels = on_device.tensor({6});
    call.status = c.status.tensor({2});
    call.class_weights = c.weights.tensor({40});
    call.label_smoothing = 0.1;
    soft_cross_entropy(this->context.stream(), call);
    c.expect(want, count);
    EXPECT_EQ(c.status.download()[0], 0);
    on_device.upload({3, -100, 40, 0, 7, 7});
    soft_cross_entropy(this->context.stream(), call);
    EXPECT_EQ(c.status.download(), (std::vector<std::int32_t>{3, 40}));
  });
}

TYPED_TEST(SoftCrossEntropyTest, StandsExtremeLogits) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 3, 8, variant.offset};
    Numbers x(24, 0.0), t(24, 0.0);
    x[0] = 1e4, x[9] = -1e4;
    for (std::size_t j = 2; j < 8; ++j) x[16 + j] = -kInfinity;
    t[0] = t[1] = t[9] = t[16] = t[17] = 0.5;
    c.logits.upload(c.x_values = from_double<TypeParam>(x));
    c.targets.upload(from_double<TypeParam>(t));
    const Reference want(to_double(c.x_values), t, 8, {}, 0.0);
    SoftCrossEntropy call = c.call();
    call.dtargets = {};  // infinite where the logit is
    soft_cross_entropy(this->context.stream(), call);
    c.expect(want, 3);
  });
}

TYPED_TEST(SoftCrossEntropyTest, RepeatsBitForBit) {
  for_each_variant([&](const Variant& variant) {
    Case<TypeParam> c{this->context, 200, 24, variant.offset};
    const auto run = [&] {
      soft_cross_entropy(this->context.stream(), c.call());
      return std::pair(c.totals.download(), c.gradient.download());
    };
    const auto one = with_workers(1, run), two = with_workers(2, run);
    EXPECT_TRUE(same_bits(one.first, two.first) && same_bits(one.second, two.second));
  });
}

TYPED_TEST(SoftCrossEntropyTest, RefusesWhatDoesNotFit) {
  Case<TypeParam> c{this->context, 3, 8, 0};
  SoftCrossEntropy call = c.call();
  call.targets = c.targets.tensor({8, 3});
  EXPECT_THROW(soft_cross_entropy(this->context.stream(), call), Error);
  call = c.call();
  call.class_weights = c.weights.tensor({7});
  EXPECT_THROW(soft_cross_entropy(this->context.stream(), call), Error);
  call = c.call();
  call.labels = c.status.tensor({2});
  EXPECT_THROW(soft_cross_entropy(this->context.stream(), call), Error) << "both";
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
