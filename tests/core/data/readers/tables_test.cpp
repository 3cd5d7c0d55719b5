#include "core/data/readers/tables.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;
using Texts = std::vector<std::string>;
using Labels = std::vector<std::int32_t>;

CsvTable table(std::string_view text, const CsvOptions& options) {
  return parse_csv(as_bytes(text), "t.csv", options);
}

template <class T>
NpyArray array(NpyKind kind, std::vector<std::int64_t> dims, std::vector<T> values) {
  NpyArray out{.kind = kind, .size = sizeof(T), .dims = std::move(dims)};
  out.bytes.resize(values.size() * sizeof(T));
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  return out;
}
NpyArray floats(std::vector<std::int64_t> dims, std::vector<float> values) {
  return array(NpyKind::floating, std::move(dims), std::move(values));
}
NpyArray integers(std::vector<std::int32_t> values) {
  return array(NpyKind::signed_integer, {std::ssize(values)}, values);
}

TEST(Tables, LabelsBecomeSortedClasses) {
  const CsvTable train = table("x,k\n1,red\n2,blue\n3,red\n", {.label = "k"});
  const Texts classes = label_classes(train, "t.csv");
  EXPECT_EQ(classes, (Texts{"blue", "red"}));
  const Dataset data = table_dataset(train, "t.csv", classes);
  EXPECT_EQ(data.classes, 2);
  EXPECT_EQ(data.class_names, classes);
  EXPECT_EQ(data.labels, (Labels{1, 0, 1}));
  EXPECT_EQ(data.sample, Shape{1});
  EXPECT_EQ(data.row(2)[0], 3);
  // Whole numbers by value, not by text.
  const CsvTable numbers = table("x,k\n1,10\n2,9\n3,-1\n4,9\n", {.label = "k"});
  EXPECT_EQ(label_classes(numbers, "t.csv"), (Texts{"-1", "9", "10"}));
}

TEST(Tables, UnknownLabelsOfTheTestPartAreNamed) {
  const CsvTable test = table("x,k\n1,red\n2,green\n", {.label = "k"});
  expect_error(
      [&] {
        table_dataset(test, "test.csv", {"blue", "red"});
      },
      {"test.csv: line 3: unknown label 'green'", "blue, red"});
  EXPECT_EQ(
      table_dataset(table("x,k\n1,red\n", {.label = "k"}), "test.csv", {"blue", "red"}).classes, 2)
      << "a class may be missing there";
}

TEST(Tables, LabelsThatAreNoClassesAreErrors) {
  expect_error([] { label_classes(table("x,k\n1,a\n2,a\n", {.label = "k"}), "t.csv"); },
               {"all rows have the label 'a'"});
  std::string many = "x,k\n";
  for (int i = 0; i < 200; ++i) many += str(i, ",", 0.37 * i, "\n");
  expect_error([&] { label_classes(table(many, {.label = "k"}), "t.csv"); },
               {"of 200 kinds in 200 rows", "task = \"regression\""});
}

TEST(Tables, UnknownLabelsMakeNoClass) {
  const UnknownLabels unknown{.texts = {"?", ""}};
  const CsvTable train =
      table("x,k\n1,red\n2,?\n3,blue\n4,\n", {.label = "k", .unknown = unknown.texts});
  const Texts classes = label_classes(train, "t.csv", unknown);
  EXPECT_EQ(classes, (Texts{"blue", "red"}));
  const Dataset data = table_dataset(train, "t.csv", classes, {}, unknown);
  EXPECT_EQ(data.labels, (Labels{1, -100, 0, -100}));
  EXPECT_EQ(data.ignored_label, -100);
  EXPECT_EQ(
      table_dataset(train, "t.csv", classes, {}, {.texts = unknown.texts, .number = -7}).labels,
      (Labels{1, -7, 0, -7}));
  expect_error(
      [&] { table_dataset(train, "t.csv", classes, {}, {.texts = unknown.texts, .number = 1}); },
      {"t.csv: line 3: '?'", "ignored as label 1", "'red'"});
  expect_error([&] { table_dataset(train, "t.csv", classes); }, {"line 3: unknown label '?'"});
}

// The number that a loss ignores, where labels are numbers.
TEST(Tables, AnIgnoredNumberMayBeTheLabelItself) {
  for (const std::int32_t ignored : {-1, -100, 255}) {
    const CsvTable train =
        table(str("x,k\n1,0\n2,", ignored, "\n3,1\n4,", ignored, "\n"), {.label = "k"});
    const UnknownLabels unknown{.number = ignored};
    const Texts classes = label_classes(train, "t.csv", unknown);
    EXPECT_EQ(classes, (Texts{"0", "1"}));
    EXPECT_EQ(table_dataset(train, "t.csv", classes, {}, unknown).labels,
              (Labels{0, ignored, 1, ignored}));
    EXPECT_EQ(label_classes(train, "t.csv").size(), 3u) << "a class, unless it is ignored";
  }
  // One that numbers a class stays one.
  const CsvTable digits = table("x,k\n1,0\n2,1\n3,2\n", {.label = "k"});
  EXPECT_EQ(label_classes(digits, "t.csv", {.number = 1}).size(), 3u);
  EXPECT_EQ(table_dataset(digits, "t.csv", {"0", "1", "2"}, {}, {.number = 1}).labels,
            (Labels{0, 1, 2}));
  EXPECT_EQ(label_classes(table("x,k\n1,1\n2,2\n3,3\n", {.label = "k"}), "t", {.number = 3}),
            (Texts{"1", "2"}));
}

TEST(Tables, IgnoredLabelsOfArraysMakeNoClass) {
  const NpyArray x = floats({4, 1}, {1, 2, 3, 4});
  const auto labels = [&](const NpyArray& y, std::int32_t ignored, std::int32_t classes = 0) {
    const Dataset data =
        array_dataset("set", x, &y, {.labels = true, .classes = classes, .ignored_label = ignored});
    EXPECT_EQ(data.ignored_label, ignored);
    return std::pair(data.classes, data.labels);
  };
  for (const std::int32_t ignored : {-1, -100, 255, 1 << 30}) {
    const Labels wanted{0, ignored, 1, ignored};
    EXPECT_EQ(labels(integers({0, ignored, 1, ignored}), ignored), std::pair(2, wanted));
    EXPECT_EQ(labels(integers({0, ignored, 1, ignored}), ignored, 5), std::pair(5, wanted));
  }
  const auto bytes = array<std::uint8_t>(NpyKind::unsigned_integer, {4}, {0, 255, 1, 255});
  EXPECT_EQ(labels(bytes, 255).first, 2);
  const auto longs = array<std::int64_t>(NpyKind::signed_integer, {4}, {0, -100, 1, -100});
  EXPECT_EQ(labels(longs, -100).first, 2);
  // A class that is ignored, with samples or without.
  EXPECT_EQ(labels(integers({0, 2, 1, 2}), 2).first, 3);
  EXPECT_EQ(labels(integers({0, 2, 0, 2}), 1).first, 3);
  expect_error(
      [&] {
        labels(integers({0, -2, 1, -1}), -1);
      },
      {"sample 1 has label -2", "0 to 1", "or -1"});
  expect_error([&] { labels(integers({-1, -1, -1, -1}), -1); }, {"all labels are -1"});
}

TEST(Tables, FeaturesMustBeThoseOfTheTrainingPart) {
  const CsvOptions options{.targets = {"y"}};
  const Dataset data = table_dataset(table("a,b,y\n1,2,3\n4,5,6\n", options), "t.csv", {});
  EXPECT_EQ(data.outputs, 1);
  EXPECT_EQ(data.targets, (std::vector<float>{3, 6}));
  EXPECT_EQ(data.features, (std::vector<float>{1, 2, 4, 5}));
  const auto other = [&](std::string_view text) {
    table_dataset(table(text, options), "test.csv", {}, data.feature_names);
  };
  other("y,a,b\n1,2,3\n");
  expect_error([&] { other("b,a,y\n1,2,3\n"); }, {"feature 0 is 'b'", "'a'"});
  expect_error([&] { other("a,y\n1,2\n"); }, {"1 features", "training part has 2"});
}

TEST(Tables, ArraysBecomeTablesOrImages) {
  const NpyArray labels = integers({1, 0});
  const Dataset rows =
      array_dataset("x", floats({2, 3}, {1, 2, 3, 4, 5, 6}), &labels, {.labels = true});
  EXPECT_EQ(rows.type, DType::float32);
  EXPECT_EQ(rows.sample, Shape{3});
  EXPECT_EQ(rows.classes, 2);
  const auto bytes = array<std::uint8_t>(NpyKind::unsigned_integer, {2, 1, 3}, {1, 2, 3, 4, 5, 6});
  const Dataset images = array_dataset("x", bytes, &labels, {.labels = true});
  EXPECT_EQ(images.type, DType::uint8);
  EXPECT_EQ(images.sample, (Shape{1, 1, 3})) << "one channel";
  EXPECT_EQ(images.image(1)[2], 6);
  const NpyArray targets = floats({2, 2}, {1, 2, 3, 4});
  EXPECT_EQ(array_dataset("x", floats({2}, {1, 2}), &targets, {}).outputs, 2);
  EXPECT_EQ(array_dataset("x", floats({2}, {1, 2}), nullptr, {}).outputs, 0);
}

TEST(Tables, ArraysThatDoNotGoTogetherAreErrors) {
  const auto refused = [](const NpyArray& x, const NpyArray& y, const ArrayOptions& options,
                          std::initializer_list<std::string> parts) {
    expect_error([&] { array_dataset("set", x, &y, options); }, {"set"});
    expect_error([&] { array_dataset("set", x, &y, options); }, parts);
  };
  const NpyArray x = floats({2, 1}, {1, 2});
  refused(x, integers({0, 1, 2}), {.labels = true}, {"2 samples, but targets of int32 [3]"});
  refused(floats({0, 1}, {}), integers({}), {}, {"at least one sample"});
  refused(floats({}, {1}), integers({0}), {}, {"at least one sample"});
  refused(floats({2, 0}, {}), integers({0, 1}), {}, {"no numbers"});
  refused(x, integers({0, -1}), {.labels = true}, {"sample 1 has label -1"});
  refused(x, integers({0, 2'000'000'000}), {.labels = true}, {"a label of 2000000000"});
  refused(floats({3, 1}, {1, 2, 3}), integers({0, 2, 0}), {.labels = true}, {"class 1 has no"});
  refused(x, integers({0, 3}), {.labels = true, .classes = 3},
          {"sample 1 has label 3", "training part"});
  refused(x, floats({2}, {0, 1}), {.labels = true}, {"expected whole numbers"});
}

TEST(Tables, RowsWithMissingNumbersAreRefusedOrLeftOut) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const NpyArray x = floats({4, 2}, {1, 2, nan, 4, 5, 6, 7, 8});
  const NpyArray y = floats({4}, {1, 2, nan, 4});
  expect_error([&] { array_dataset("set", x, &y, {}); }, {"set: row 1, column 0 is nan"});
  const Dataset kept = array_dataset("set", x, &y, {.drop_missing = true});
  EXPECT_EQ(kept.count, 2);
  EXPECT_EQ(kept.features, (std::vector<float>{1, 2, 7, 8}));
  EXPECT_EQ(kept.targets, (std::vector<float>{1, 4}));
}

}  // namespace
}  // namespace adjoint
