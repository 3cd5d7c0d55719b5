// What is worked out of the counts: areas against all pairs, F1 and the rest against definitions,
// and the counts of an evaluation against the losses' own.
#include "core/train/judging/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/tensor/transfer.h"
#include "support/small_run.h"

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using ClassificationMetricsTest = DeviceTest;

double area_of_pairs(const std::vector<float>& scores, const std::vector<bool>& positive) {
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    for (std::size_t j = 0; j < scores.size(); ++j) {
      if (!positive[i] || positive[j]) continue;
      pairs += 1;
      won += scores[i] > scores[j] ? 1.0 : scores[i] == scores[j] ? 0.5 : 0.0;
    }
  return won / pairs;
}

TEST(AreaUnderCurve, IsThePartOfPairsInOrder) {
  std::mt19937 engine(5);
  for (const unsigned kinds : {2u, 5u, 1000u}) {
    std::vector<float> scores(137);
    std::vector<bool> positive(137);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      positive[i] = engine() % 3 == 0;
      scores[i] = float(engine() % kinds) + (positive[i] ? 0.25f * float(kinds) : 0.0f);
    }
    EXPECT_DOUBLE_EQ(area_under_curve(scores, positive), area_of_pairs(scores, positive));
  }
  EXPECT_EQ(area_under_curve(std::vector<float>{1, 2, 3}, {false, true, true}), 1.0);
  EXPECT_EQ(area_under_curve(std::vector<float>{1, 2, 3}, {true, true, false}), 0.0);
  EXPECT_EQ(area_under_curve(std::vector<float>{4, 4, 4}, {true, false, false}), 0.5);
}

TEST(AreaUnderCurve, IsNoNumberWithoutBothKindsOrWithNaN) {
  EXPECT_TRUE(std::isnan(area_under_curve({}, {})));
  EXPECT_TRUE(std::isnan(area_under_curve(std::vector<float>{1}, {true})));
  EXPECT_TRUE(std::isnan(area_under_curve(std::vector<float>{1, 2}, {false, false})));
  EXPECT_TRUE(std::isnan(area_under_curve(std::vector<float>{1, NAN}, {true, false})));
}

ClassificationReport report_of(Context& context, const std::vector<float>& scores,
                               const std::vector<std::int32_t>& labels, MetricsOptions options) {
  const auto rows = std::ssize(labels);
  options.samples = rows;
  ClassificationCounter counter(context, options);
  const DeviceVector<float> x(context, scores);
  const DeviceVector<std::int32_t> t(context, labels);
  counter.clear();
  counter.add(x.tensor({rows, options.classes}), t.tensor({rows}));
  return counter.read();
}

TEST_F(ClassificationMetricsTest, FollowTheirDefinitions) {
  Context context;
  // Predictions 0 0 1 1 0; class 2 is never predicted, class 3 is absent.
  const std::vector<float> scores = {5, 1, 2, 0, 4, 3, 0, 0, 1, 9, 3, 0, 0, 7, 6, 0, 8, 0, 1, 0};
  const ClassificationReport found =
      report_of(context, scores, {0, 1, 1, 2, 0}, {.classes = 4, .top = 2});
  EXPECT_EQ(found.count, 5);
  EXPECT_EQ(found.unordered, 0);
  EXPECT_DOUBLE_EQ(found.accuracy, 0.6);
  EXPECT_EQ(found.top, 2);
  EXPECT_DOUBLE_EQ(found.top_accuracy, 1.0);
  const std::vector<std::int64_t> confusion = {2, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0};
  EXPECT_EQ(found.confusion, confusion);
  EXPECT_DOUBLE_EQ(found.classes[0].precision, 2.0 / 3);
  EXPECT_DOUBLE_EQ(found.classes[0].recall, 1.0);
  EXPECT_DOUBLE_EQ(found.classes[0].f1, 0.8);
  EXPECT_DOUBLE_EQ(found.classes[1].f1, 0.5);
  EXPECT_TRUE(std::isnan(found.classes[2].precision));
  EXPECT_EQ(found.classes[2].recall, 0.0);
  EXPECT_EQ(found.classes[2].f1, 0.0);
  EXPECT_TRUE(std::isnan(found.classes[3].f1));
  EXPECT_DOUBLE_EQ(found.macro_f1, 1.3 / 3) << "over the classes that there are";
  EXPECT_TRUE(found.has_areas);
  EXPECT_DOUBLE_EQ(found.classes[0].area, 1.0);
  EXPECT_TRUE(std::isnan(found.classes[3].area));
  EXPECT_GT(found.macro_area, 0.5);
}

TEST_F(ClassificationMetricsTest, AreasAreThoseOfProbabilities) {
  Context context;
  for (const std::int32_t classes : {2, 3, 10}) {
    std::mt19937 engine(8);
    std::normal_distribution<float> normal;
    std::vector<float> scores;
    std::vector<std::int32_t> labels;
    for (int i = 0; i < 200; ++i) {
      labels.push_back(std::int32_t(engine() % std::uint32_t(classes)));
      for (std::int32_t c = 0; c < classes; ++c)
        scores.push_back(2 * normal(engine) + (c == labels.back() ? 2.0f : 0.0f));
    }
    const ClassificationReport found = report_of(context, scores, labels, {.classes = classes});
    double mean = 0;
    for (std::int32_t c = 0; c < classes; ++c) {
      std::vector<float> p;
      std::vector<bool> positive;
      for (std::size_t i = 0; i < labels.size(); ++i) {
        double sum = 0;
        for (std::int32_t j = 0; j < classes; ++j)
          sum += std::exp(double(scores[i * std::size_t(classes) + std::size_t(j)]));
        p.push_back(
            float(std::exp(double(scores[i * std::size_t(classes) + std::size_t(c)])) / sum));
        positive.push_back(labels[i] == c);
      }
      EXPECT_NEAR(found.classes[std::size_t(c)].area, area_of_pairs(p, positive), 1e-12);
      mean += found.classes[std::size_t(c)].area / classes;
    }
    EXPECT_NEAR(found.macro_area, mean, 1e-12);
  }
}

TEST_F(ClassificationMetricsTest, WhatIsTooLargeIsLeftOutAndNaNsAreTold) {
  Context context;
  const std::vector<float> scores = {1, 2, 3, NAN, 3, 1};
  const ClassificationReport found =
      report_of(context, scores, {1, 0, 0}, {.classes = 2, .most_confusion_bytes = 31});
  EXPECT_TRUE(found.confusion.empty());
  EXPECT_EQ(found.unordered, 1);
  EXPECT_DOUBLE_EQ(found.accuracy, 2.0 / 3);
  EXPECT_TRUE(found.has_areas);
  EXPECT_TRUE(std::isnan(found.macro_area));
  const ClassificationReport without =
      report_of(context, scores, {1, 0, 0}, {.classes = 2, .most_score_bytes = 23});
  EXPECT_FALSE(without.has_areas);
  EXPECT_EQ(without.confusion, (std::vector<std::int64_t>{1, 0, 0, 1}));
  // One sample: an accuracy, no area.
  const ClassificationReport one = report_of(context, {0, 1}, {1}, {.classes = 2});
  EXPECT_EQ(one.accuracy, 1.0);
  EXPECT_TRUE(std::isnan(one.macro_area));
  // None that counts.
  EXPECT_TRUE(std::isnan(report_of(context, {0, 1}, {-100}, {.classes = 2}).accuracy));
}

// Twice, because the second evaluation replays what the first captured.
TEST_F(ClassificationMetricsTest, OfAnEvaluationAgreeWithItsLoss) {
  Context context({.seed = 2});
  const Recipe recipe = small_recipe();
  Model model = build_model(context, recipe, {.keep_prediction = true});
  Loader loader(context, small_digits(250), {.batch = 32, .shuffle = false});
  ClassificationCounter counter(context, {.classes = 10, .samples = loader.count()});
  Evaluator evaluator(model, loader, {}, &counter);
  for (int round = 0; round < 3; ++round) {
    const Evaluation found = evaluator.run();
    const ClassificationReport report = counter.read();
    EXPECT_EQ(report.count, found.count);
    EXPECT_DOUBLE_EQ(report.accuracy, found.accuracy);
    EXPECT_GT(report.top_accuracy, report.accuracy);
    EXPECT_TRUE(report.macro_area > 0 && report.macro_area < 1) << report.macro_area;
  }
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
