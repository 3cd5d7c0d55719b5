#include "core/samples/statistics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

Dataset labelled(std::vector<std::int32_t> labels, std::int32_t classes,
                 std::int32_t ignored = -100) {
  Dataset data{.name = "set",
               .count = std::ssize(labels),
               .type = DType::float32,
               .sample = {1},
               .features = std::vector<float>(labels.size()),
               .classes = classes,
               .labels = std::move(labels),
               .ignored_label = ignored};
  check_dataset(data);
  return data;
}

TEST(Statistics, NormalisedColumnsHaveMeanZeroAndDeviationOne) {
  // The second column is far from 0 beside its deviation, the third does not vary.
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i) {
    values.push_back(static_cast<float>(i % 7));
    values.push_back(static_cast<float>(1'000'000 + i % 2));
    values.push_back(5.0f);
  }
  const Normalisation found = column_statistics(values, 3);
  EXPECT_DOUBLE_EQ(found.mean[1], 1'000'000.5);
  EXPECT_DOUBLE_EQ(found.deviation[1], 0.5);
  EXPECT_EQ(found.deviation[2], 1.0);
  normalise(values, found);
  for (std::size_t j = 0; j < 3; ++j) {
    double sum = 0, squares = 0;
    for (std::size_t i = j; i < values.size(); i += 3) {
      sum += values[i];
      squares += double(values[i]) * values[i];
    }
    EXPECT_NEAR(sum / 1000, 0, 1e-6) << j;
    EXPECT_NEAR(squares / 1000, j < 2 ? 1 : 0, 1e-6) << j;
  }
  EXPECT_EQ(values[1], -1.0f) << "nothing of so large a mean is left";
}

TEST(Statistics, RefusesWhatDoesNotFit) {
  std::vector<float> values(6);
  expect_error([&] { column_statistics(values, 4); }, {"rows of 4", "got 6"});
  expect_error([&] { column_statistics({}, 4); }, {"got 0"});
  expect_error([&] { normalise(values, {{0, 0, 0, 0}, {1, 1, 1, 1}}); }, {"each column"});
  expect_error([&] { normalise(values, {{0, 0}, {1, 0}}); }, {"positive deviations, got 0"});
  expect_error([&] { normalise(values, {{0, 0}, {1, std::nan("")}}); }, {"got nan"});
}

TEST(Statistics, BalancedWeightsMakeClassesCountAlike) {
  const Dataset data = labelled({0, 0, 0, 0, 0, 0, 1, 1, 2, 2}, 3);
  EXPECT_EQ(class_counts(data), (std::vector<std::int64_t>{6, 2, 2}));
  const std::vector<float> weights = balanced_class_weights(data);
  EXPECT_FLOAT_EQ(weights[0], 10.0f / (3 * 6));
  EXPECT_FLOAT_EQ(weights[1], 10.0f / (3 * 2));
  EXPECT_FLOAT_EQ(6 * weights[0] + 2 * weights[1] + 2 * weights[2], 10.0f) << "1 on average";
  const std::vector<double> samples = balanced_sample_weights(data);
  EXPECT_DOUBLE_EQ(samples[0], 1.0 / 6);
  EXPECT_DOUBLE_EQ(samples[9], 0.5);
}

TEST(Statistics, IgnoredLabelsAreOfNoClass) {
  for (const std::int32_t ignored : {-1, -100, 255}) {
    const Dataset data = labelled({0, 0, 0, ignored, 1, ignored}, 2, ignored);
    EXPECT_EQ(class_counts(data), (std::vector<std::int64_t>{3, 1}));
    EXPECT_EQ(balanced_class_weights(data), (std::vector<float>{4.0f / 6, 2}));
    EXPECT_EQ(balanced_sample_weights(data),
              (std::vector<double>{1.0 / 3, 1.0 / 3, 1.0 / 3, 0, 1, 0}));
  }
  // It may be that of a class, which then needs no samples, and none counts.
  const Dataset data = labelled({0, 0, 0, 2, 2, 1}, 3, 2);
  EXPECT_EQ(class_counts(data), (std::vector<std::int64_t>{3, 1, 0}));
  EXPECT_EQ(balanced_class_weights(data), (std::vector<float>{4.0f / 6, 2, 1}));
  EXPECT_EQ(balanced_sample_weights(data)[3], 0);
}

TEST(Statistics, EmptyClassesAreNamed) {
  Dataset data = labelled({0, 2, 0}, 3);
  expect_error([&] { check_classes(data); }, {"set: class 1 has no samples"});
  data.class_names = {"cat", "dog", "owl"};
  expect_error([&] { balanced_class_weights(data); }, {"class 1 ('dog')"});
  expect_error([&] { balanced_sample_weights(data); }, {"class 1"});
  expect_error([] { class_counts({.name = "numbers"}); }, {"numbers", "no classes"});
}

TEST(Statistics, BalancedClassWeightsAreMeasured) {
  Options loss("[loss]");
  const Dataset data{.name = "x", .count = 4, .classes = 2, .labels = {0, 0, 0, 1}};
  resolve_class_weights(loss, data);
  EXPECT_FALSE(loss.has("class_weights")) << "only where they are asked for";
  loss.set("class_weights", std::string("balanced"));
  resolve_class_weights(loss, data);
  const std::vector<double> weights = loss.numbers("class_weights");
  ASSERT_EQ(weights.size(), 2u);
  EXPECT_FLOAT_EQ(static_cast<float>(weights[0]), 4.0f / 6);
  EXPECT_EQ(weights[1], 2);
  loss.set("class_weights", std::string("fair"));
  expect_error([&] { resolve_class_weights(loss, data); }, {"[loss] class_weights", "balanced"});
}

}  // namespace
}  // namespace adjoint
