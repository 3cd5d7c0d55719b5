// Counts and margins of scores against a naive float64 reference: ties, absent classes, ignored
// labels, scores that are no numbers, several batches.
#include "kernels/metrics.h"

#include <limits>

#include "kernel_test.h"
#include "support/expect_error.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

template <class T>
using MetricsTest = KernelTest<T>;
TYPED_TEST_SUITE(MetricsTest, FloatingTypes);

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::int32_t kIgnored = 3;

/// All that is counted, in the order in which Sums lies on the device.
struct Counts {
  std::vector<MetricCount> samples, classes, ranks, confusion;
  bool operator==(const Counts&) const = default;
};

struct Reference {
  Counts counts;
  std::vector<double> margins;
  std::vector<std::int32_t> labels;
  std::int64_t classes;
  int ranks;

  Reference(std::int64_t classes_, int ranks_) : classes(classes_), ranks(ranks_) {
    counts.samples.resize(3);
    counts.classes.resize(std::size_t(3 * classes));
    counts.ranks.resize(std::size_t(ranks));
    counts.confusion.resize(std::size_t(classes * classes));
  }

  void add(const std::vector<double>& scores, const std::vector<std::int32_t>& batch) {
    for (std::size_t row = 0; row < batch.size(); ++row)
      add_row(scores.data() + std::int64_t(row) * classes, batch[row]);
  }

  void add_row(const double* x, std::int32_t label) {
    ++counts.samples[0];
    const bool valid = label >= 0 && label < classes && label != kIgnored;
    labels.push_back(valid ? label : -1);
    bool ordered = false;
    for (std::int64_t j = 0; j < classes; ++j) ordered = ordered || x[j] > -kInfinity;
    for (std::int64_t j = 0; j < classes; ++j) ordered = ordered && x[j] < kInfinity;
    for (std::int64_t j = 0; j < classes; ++j)
      if (classes != 2 || j == 1)
        margins.push_back(!valid ? 0 : ordered ? margin(x, j) : std::nan(""));
    if (!valid) return;
    ++counts.samples[1];
    ++counts.classes[std::size_t(3 * label)];
    if (!ordered) {
      ++counts.samples[2];
      return;
    }
    const std::int64_t best = std::max_element(x, x + classes) - x;
    ++counts.classes[std::size_t(3 * best + 1)];
    counts.classes[std::size_t(3 * label + 2)] += best == label;
    int rank = 0;
    for (std::int64_t j = 0; j < classes; ++j)
      rank += x[j] > x[label] || (x[j] == x[label] && j < label);
    if (rank < ranks) ++counts.ranks[std::size_t(rank)];
    ++counts.confusion[std::size_t(label * classes + best)];
  }

  double margin(const double* x, std::int64_t of) const {
    double largest = -kInfinity, sum = 0;
    for (std::int64_t j = 0; j < classes; ++j)
      if (j != of) largest = std::max(largest, x[j]);
    if (largest == -kInfinity) return kInfinity;
    for (std::int64_t j = 0; j < classes; ++j)
      if (j != of) sum += std::exp(x[j] - largest);
    return x[of] - largest - std::log(sum);
  }
};

template <class T>
struct Sums {
  DeviceVector<MetricCount> samples, classes, ranks, confusion;
  DeviceVector<float> margins;
  DeviceVector<std::int32_t> labels;
  MetricSums sums;

  Sums(Context& context, std::int64_t class_count, int rank_count, std::int64_t kept)
      : samples(context, zeros(3)),
        classes(context, zeros(3 * class_count)),
        ranks(context, zeros(rank_count)),
        confusion(context, zeros(class_count * class_count)),
        margins(context, std::vector<float>(std::size_t(kept * margin_columns(class_count)))),
        labels(context, std::vector<std::int32_t>(std::size_t(kept))),
        sums{.samples = reinterpret_cast<SampleCounts*>(samples.data()),
             .classes = reinterpret_cast<ClassCounts*>(classes.data()),
             .ranks = ranks.data(),
             .kept_ranks = rank_count,
             .confusion = confusion.data(),
             .kept_samples = kept,
             .margins = margins.data(),
             .margin_labels = labels.data()} {}

  static std::vector<MetricCount> zeros(std::int64_t count) {
    return std::vector<MetricCount>(std::size_t(count));
  }
  Counts counts() const {
    return {samples.download(), classes.download(), ranks.download(), confusion.download()};
  }
};

std::vector<std::int32_t> random_labels(std::int64_t rows, std::int64_t classes) {
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  std::mt19937 engine(7);
  // -1 and one beyond the classes are among them, and kIgnored where it is a class.
  for (auto& label : labels) label = std::int32_t(engine() % std::uint32_t(classes + 2)) - 1;
  return labels;
}

/// Margins of both, infinite ones apart; NaN must meet NaN.
void expect_margins(const std::vector<float>& found, const std::vector<double>& want,
                    double allowed) {
  ASSERT_EQ(found.size(), want.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (std::isnan(want[i]) || std::isinf(want[i])) {
      EXPECT_EQ(std::isnan(found[i]), std::isnan(want[i])) << i;
      if (std::isinf(want[i])) {
        EXPECT_EQ(double(found[i]), want[i]) << i;
      }
    } else {
      EXPECT_LE(std::abs(found[i] - want[i]), allowed * std::max(1.0, std::abs(want[i]))) << i;
    }
  }
}

template <class T>
void check_batches(Context& context, const std::vector<std::vector<T>>& batches,
                   const std::vector<std::vector<std::int32_t>>& labels, std::int64_t classes,
                   int ranks, std::size_t offset) {
  std::int64_t rows = 0;
  for (const auto& batch : labels) rows += std::ssize(batch);
  Reference want(classes, ranks);
  Sums<T> found(context, classes, ranks, rows);
  for (std::size_t b = 0; b < batches.size(); ++b) {
    want.add(to_double(batches[b]), labels[b]);
    const DeviceVector<T> scores(context, batches[b], offset);
    const DeviceVector<std::int32_t> of(context, labels[b]);
    const std::int64_t size = std::ssize(labels[b]);
    classification_metrics(context.stream(), scores.tensor({size, classes}), of.tensor({size}),
                           kIgnored, found.sums);
  }
  EXPECT_EQ(found.counts(), want.counts);
  EXPECT_EQ(found.labels.download(), want.labels);
  expect_margins(found.margins.download(), want.margins, 1e-6);
}

TYPED_TEST(MetricsTest, CountsOverBatches) {
  using T = TypeParam;
  for (const auto& [rows, classes] :
       {std::pair{1, 1}, {1, 2}, {200, 2}, {300, 10}, {20, 257}, {1, 700}, {0, 4}})
    for_each_variant([&](const Variant& variant) {
      SCOPED_TRACE(str(rows, " x ", classes));
      const auto count = static_cast<std::size_t>(rows * classes);
      const auto labels = random_labels(rows, classes);
      check_batches<T>(this->context,
                       {random_values<T>(count, 1, 3.0), random_values<T>(count, 2, 30.0)},
                       {labels, labels}, classes, std::min(5, classes), variant.offset);
    });
}

// Few values, so that many scores are alike: the first of the largest is the prediction, and the
// label's rank counts those alike before it.
TYPED_TEST(MetricsTest, TiesGoToTheFirst) {
  using T = TypeParam;
  std::mt19937 engine(3);
  std::vector<double> values(300 * 7);
  for (double& value : values) value = double(engine() % 3);
  for_each_variant([&](const Variant& variant) {
    check_batches<T>(this->context, {from_double<T>(values)}, {random_labels(300, 7)}, 7, 5,
                     variant.offset);
  });
}

TYPED_TEST(MetricsTest, ScoresThatAreNoNumbersPredictNothing) {
  using T = TypeParam;
  const double nan = std::nan("");
  const std::vector<double> values = {nan,        1,          2,           // the label's is fine
                                      1,          2,          nan,         // the label's is not
                                      kInfinity,  1,          2,           //
                                      -kInfinity, -kInfinity, -kInfinity,  //
                                      -kInfinity, 1,          2,           // a masked class
                                      -kInfinity, 1,          -kInfinity};
  for_each_variant([&](const Variant& variant) {
    const std::vector<std::int32_t> labels = {2, 2, 0, 1, 0, 1};
    check_batches<T>(this->context, {from_double<T>(values)}, {labels}, 3, 2, variant.offset);
    // And the reference was told the same.
    Reference want(3, 2);
    want.add(values, labels);
    EXPECT_EQ(want.counts.samples, (std::vector<MetricCount>{6, 6, 4}));
  });
}

TYPED_TEST(MetricsTest, CountsAreTheSameForAnyNumberOfWorkersAndMarginsAreOptional) {
  using T = TypeParam;
  const auto values = random_values<T>(500 * 10, 4);
  const auto labels = random_labels(500, 10);
  const DeviceVector<T> scores(this->context, values);
  const DeviceVector<std::int32_t> of(this->context, labels);
  const auto run = [&](std::int64_t kept, bool margins) {
    Sums<T> found(this->context, 10, 5, kept);
    if (!margins) found.sums.margins = nullptr, found.sums.margin_labels = nullptr;
    classification_metrics(this->context.stream(), scores.tensor({500, 10}), of.tensor({500}),
                           kIgnored, found.sums);
    return std::pair(found.counts(), found.margins.download());
  };
  const auto one = with_workers(1, [&] { return run(500, true); });
  const auto three = with_workers(3, [&] { return run(500, true); });
  EXPECT_EQ(one.first, three.first);
  EXPECT_TRUE(same_bits(one.second, three.second));
  EXPECT_EQ(run(500, false).first, one.first);
  // Room for the first rows alone: the rest is counted.
  const auto part = run(20, true);
  EXPECT_EQ(part.first, one.first);
  EXPECT_TRUE(same_bits(part.second, {one.second.begin(), one.second.begin() + 200}));
}

TYPED_TEST(MetricsTest, RefusesOtherShapes) {
  using T = TypeParam;
  const DeviceVector<T> x(this->context, 12);
  const DeviceVector<std::int32_t> labels(this->context, 4);
  Sums<T> found(this->context, 3, 3, 4);
  const auto refused = [&](const Shape& shape, std::int64_t rows, std::string part) {
    test::expect_error(
        [&] {
          classification_metrics(this->context.stream(), x.tensor(shape), labels.tensor({rows}),
                                 kIgnored, found.sums);
        },
        {"classification_metrics", part});
  };
  refused({12}, 4, "scores");
  refused({4, 3}, 3, "labels");
  found.sums.kept_ranks = 4;
  refused({4, 3}, 4, "ranks");
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
