#include "core/samples/dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

Dataset counted(std::int64_t count) {
  Dataset dataset{.name = "counted", .count = count, .sample = {1, 1, 2}, .classes = 10};
  for (std::int64_t i = 0; i < count; ++i) {
    dataset.images.push_back(static_cast<std::uint8_t>(i));
    dataset.images.push_back(static_cast<std::uint8_t>(i / 256));
    dataset.labels.push_back(static_cast<std::int32_t>(i % 10));
  }
  return dataset;
}

TEST(Dataset, ChecksItsSizesAndLabels) {
  EXPECT_NO_THROW(check_dataset(counted(5)));
  expect_error([] { check_dataset(counted(0)); }, {"counted", "empty"});
  Dataset dataset = counted(5);
  dataset.labels.pop_back();
  expect_error([&] { check_dataset(dataset); }, {"5 images but 4 labels"});
  dataset.labels.push_back(-1);
  expect_error([&] { check_dataset(dataset); }, {"sample 4 has label -1"});
  dataset.images.pop_back();
  expect_error([&] { check_dataset(dataset); }, {"9 bytes of pixels, expected 10"});
  expect_error([] { counted(5).image(5); }, {"sample 5 of 5"});
}

TEST(Dataset, AllowsTheIgnoredLabelAndNoNamesButUtf8) {
  Dataset dataset = counted(5);
  dataset.labels = {0, -1, 255, -100, 9};
  for (const std::int32_t ignored : {-1, 255, -100}) {
    dataset.ignored_label = ignored;
    dataset.labels[1] = dataset.labels[2] = dataset.labels[3] = ignored;
    EXPECT_NO_THROW(check_dataset(dataset));
    EXPECT_EQ(select(dataset, std::vector<std::int64_t>{1}).ignored_label, ignored);
  }
  dataset.labels[1] = -1;
  expect_error([&] { check_dataset(dataset); }, {"sample 1 has label -1", "or -100"});
  dataset = counted(5);
  dataset.class_names.assign(10, "gr\xc3\xbcn");
  EXPECT_NO_THROW(check_dataset(dataset));
  dataset.class_names[3] = "gr\xfcn";
  expect_error([&] { check_dataset(dataset); }, {"counted: the class 'gr?n'", "UTF-8"});
}

TEST(Dataset, SplitsWithoutLossOrOverlap) {
  const Dataset dataset = counted(1000);
  const Split split = split_validation(dataset, 0.1, 3);
  EXPECT_EQ(split.train.count, 900);
  EXPECT_EQ(split.validation.count, 100);
  check_dataset(split.train);
  check_dataset(split.validation);
  std::set<int> seen;
  for (const Dataset* part : {&split.train, &split.validation}) {
    for (std::int64_t i = 0; i < part->count; ++i) {
      const int id = part->image(i)[0] + 256 * part->image(i)[1];
      EXPECT_EQ(part->labels[i], id % 10);
      seen.insert(id);
    }
  }
  EXPECT_EQ(seen.size(), 1000u);
  EXPECT_EQ(split_validation(dataset, 0.1, 3).validation.images, split.validation.images);
  EXPECT_NE(split_validation(dataset, 0.1, 4).validation.images, split.validation.images);
}

TEST(Dataset, SplitsAtTheEdges) {
  EXPECT_EQ(split_validation(counted(3), 0, 0).validation.count, 0);
  EXPECT_EQ(split_validation(counted(3), 0, 0).train.images, counted(3).images);
  expect_error([] { split_validation(counted(3), 1, 0); }, {"got 1"});
  expect_error([] { split_validation(counted(3), std::nan(""), 0); }, {"got nan"});
  expect_error([] { split_validation(counted(1), 0.6, 0); }, {"leaves none of 1 samples"});
}

Dataset small_table() {
  return {.name = "table",
          .count = 3,
          .type = DType::float32,
          .sample = {2},
          .features = {1, 2, 3, 4, 5, 6},
          .feature_names = {"width", "height"},
          .outputs = 2,
          .targets = {10, 20, 30, 40, 50, 60}};
}

TEST(Dataset, ChecksTables) {
  EXPECT_NO_THROW(check_dataset(small_table()));
  Dataset table = small_table();
  table.features[3] = INFINITY;
  expect_error([&] { check_dataset(table); }, {"table: sample 1, feature 1 (height) is inf"});
  table = small_table();
  table.targets[4] = NAN;
  expect_error([&] { check_dataset(table); }, {"sample 2, target 0 is nan"});
  table = small_table();
  table.targets.pop_back();
  expect_error([&] { check_dataset(table); }, {"5 numbers to predict, expected 6"});
  table = small_table();
  table.features.pop_back();
  expect_error([&] { check_dataset(table); }, {"5 features, expected 6"});
  table = small_table();
  table.classes = 2;
  expect_error([&] { check_dataset(table); }, {"both classes and numbers"});
  table = small_table();
  table.type = DType::float64;
  expect_error([&] { check_dataset(table); }, {"expected uint8 or float32"});
  table = small_table();
  table.outputs = 0;
  table.targets = {};
  EXPECT_NO_THROW(check_dataset(table)) << "the input may be all there is";
  expect_error([&] { table.image(0); }, {"sample 0"});
  expect_error([&] { table.row(3); }, {"sample 3 of 3"});
}

TEST(Dataset, TablesAreSelectedAndSplitWithTheirTargets) {
  const Dataset chosen = select(small_table(), std::vector<std::int64_t>{2, 0});
  EXPECT_EQ(chosen.features, (std::vector<float>{5, 6, 1, 2}));
  EXPECT_EQ(chosen.targets, (std::vector<float>{50, 60, 10, 20}));
  EXPECT_EQ(chosen.feature_names, small_table().feature_names);
  const Split split = split_validation(small_table(), 0.4, 1);
  check_dataset(split.train);
  check_dataset(split.validation);
  EXPECT_EQ(split.validation.targets[0], 10 * split.validation.features[0]);
}

TEST(Dataset, AStratifiedSplitTakesTheSamePartOfEveryClass) {
  Dataset dataset = counted(1000);
  // Classes of 700, 250 and 50 samples.
  for (std::int64_t i = 0; i < 1000; ++i) dataset.labels[i] = i % 20 == 0 ? 2 : i % 4 == 1 ? 1 : 0;
  dataset.classes = 3;
  const auto parts = [&](double fraction) {
    const Split split =
        split_validation(dataset, fraction, 5, {.stratified = true, .name = "test"});
    std::vector<int> counts(3);
    for (const std::int32_t label : split.validation.labels) ++counts[label];
    EXPECT_EQ(split.train.count + split.validation.count, 1000);
    EXPECT_EQ(split.validation.name, "counted (test)");
    return counts;
  };
  EXPECT_EQ(parts(0.2), (std::vector<int>{140, 50, 10}));
  // 1.05, 0.375 and 0.075 of 1.5, rounded to 2: what loses most is rounded up.
  EXPECT_EQ(parts(0.0015), (std::vector<int>{1, 1, 0}));
  EXPECT_EQ(parts(0.999), (std::vector<int>{699, 249, 49})) << "one of each is trained on";
}

// Samples without a class give their part as a class does, and change no other's.
TEST(Dataset, AStratifiedSplitTakesItsPartOfTheUnknown) {
  Dataset dataset = counted(1000);
  dataset.ignored_label = -1;
  for (std::int64_t i = 0; i < 1000; ++i) dataset.labels[i] = i % 2 == 0 ? -1 : i % 4 / 2;
  const Split split = split_validation(dataset, 0.2, 5, {.stratified = true});
  EXPECT_EQ(std::ranges::count(split.validation.labels, -1), 100);
  EXPECT_EQ(std::ranges::count(split.validation.labels, 0), 50);
  EXPECT_EQ(std::ranges::count(split.validation.labels, 1), 50);
  EXPECT_EQ(split.validation.ignored_label, -1);
}

TEST(Dataset, SelectsInOrder) {
  const Dataset chosen = select(counted(10), std::vector<std::int64_t>{7, 2, 7});
  EXPECT_EQ(chosen.labels, (std::vector<std::int32_t>{7, 2, 7}));
  EXPECT_EQ(chosen.image(1)[0], 2);
  expect_error([] { select(counted(10), std::vector<std::int64_t>{10}); }, {"sample 10"});
}

TEST(Dataset, PixelStatistics) {
  Dataset dataset = counted(1);
  dataset.images = {0, 255};
  EXPECT_DOUBLE_EQ(pixel_statistics(dataset).mean, 0.5);
  EXPECT_DOUBLE_EQ(pixel_statistics(dataset).deviation, 0.5);
}

}  // namespace
}  // namespace adjoint
