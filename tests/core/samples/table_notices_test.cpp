// Tables that users bring: words for missing, rows left out, row numbers, forgotten headers, rare
// classes, columns that hardly vary, numbers too large for float32's digits.
#include "core/samples/table_notices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/data/readers/sample_files.h"
#include "core/data/readers/tables.h"
#include "core/samples/recipe_data.h"
#include "core/samples/remainder.h"
#include "support/expect_error.h"
#include "support/npy_files.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::ScratchFolder;
using Texts = std::vector<std::string>;

CsvTable parse(std::string_view text, const CsvOptions& options = {}) {
  return parse_csv(as_bytes(text), "t.csv", options);
}

void expect_told(const std::vector<std::string>& notices,
                 std::initializer_list<std::string> parts) {
  const bool told = std::ranges::any_of(notices, [&](const std::string& notice) {
    return notice.find('\n') == std::string::npos &&
           std::ranges::all_of(
               parts, [&](const std::string& part) { return notice.find(part) != notice.npos; });
  });
  std::string all;
  for (const std::string& notice : notices) all += notice + "\n";
  EXPECT_TRUE(told) << "not told: " << *parts.begin() << "\n" << all;
}

// ---- missing cells

TEST(TableNotices, WordsForMissingAreForNumbersOnly) {
  const std::string text = "x,country,y\n1,NA,1\n2,DE,2\n3,nan,3\n4,?,NA\n";
  const CsvTable table = parse(text, {.label = "country", .ignored = {"y"}});
  EXPECT_EQ(table.label_texts, (Texts{"NA", "DE", "nan", "?"})) << "Namibia, and others";
  EXPECT_TRUE(table.notices.empty());
  const CsvTable kept = parse(text, {.label = "country", .drop_missing = true});
  EXPECT_EQ(kept.rows, 3);
  EXPECT_EQ(kept.label_texts, (Texts{"NA", "DE", "nan"}));
  expect_told(kept.notices, {"t.csv: 1 of 4 rows are left out", "'y' 1"});
}

TEST(TableNotices, AnEmptyLabelIsMissingUnlessItIsAClass) {
  const std::string text = "x,k\n1,a\n2,\n3,\" \"\n4,b\n";
  expect_error([&] { parse(text, {.label = "k"}); },
               {"t.csv: line 3, column 1 (k): the label is missing", "missing = \"drop\""});
  const CsvTable dropped = parse(text, {.label = "k", .drop_missing = true});
  EXPECT_EQ(dropped.rows, 2);
  expect_told(dropped.notices, {"2 of 4 rows", "'k' 2"});
  const CsvTable all = parse(text, {.label = "k", .empty_label = true});
  EXPECT_EQ(all.label_texts, (Texts{"a", "", "b"}));

  const ScratchFolder folder;
  std::string file = "x,k\n";
  for (int i = 0; i < 40; ++i) file += str(i, ",", i % 2 == 0 ? "full" : "", "\n");
  write_file_atomically(folder / "t.csv", std::string_view(file));
  DataRecipe recipe{.name = "csv", .train = "t.csv", .target = {"k"}, .classes = {"", "full"}};
  EXPECT_EQ(load_recipe_data(recipe, folder.path()).train.classes, 2);
  recipe.classes = {};
  expect_error([&] { load_recipe_data(recipe, folder.path()); }, {"line 3", "label is missing"});
}

TEST(TableNotices, RowsLeftOutAreCountedByTheirColumns) {
  const CsvTable table =
      parse("a,b,y\n1,2,3\n,NA,4\n5,?,6\n7,8,\n9,1,2\n", {.targets = {"y"}, .drop_missing = true});
  EXPECT_EQ(table.rows, 2);
  expect_told(table.notices, {"3 of 5 rows are left out", "'a' 1", "'b' 2", "'y' 1"});
  // The same of arrays.
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::string raw = test::raw<float>({1, 2, nan, 4, nan, nan, 7, 8});
  const Bytes file = test::npy(test::dictionary("<f4", "(4, 2)"), raw);
  const Dataset kept = array_dataset("x.npy", parse_npy(file, "x.npy"), nullptr,
                                     {.labels = false, .drop_missing = true});
  EXPECT_EQ(kept.features, (std::vector<float>{1, 2, 7, 8}));
  expect_told(kept.notices, {"x.npy: 2 of 4 rows are left out", "'column 0' 2", "'column 1' 1"});
  const Bytes none = test::npy(test::dictionary("<f4", "(1, 1)"), test::raw<float>({nan}));
  expect_error(
      [&] { array_dataset("x.npy", parse_npy(none, "x.npy"), nullptr, {.drop_missing = true}); },
      {"x.npy: all 1 rows miss a number"});
}

// ---- rows and headers

TEST(TableNotices, AFirstColumnThatNumbersTheRowsIsTold) {
  for (const std::string name : {"", "Unnamed: 0", "id"}) {
    const CsvTable table = parse(name + ",x,k\n0,5,a\n1,5,a\n2,4,b\n", {.label = "k"});
    EXPECT_EQ(table.feature_names.size(), 2u) << "it is read as it stands";
    expect_told(table.notices, {"t.csv: the first column", "ignore = [0]"});
  }
  // As it is after rows were shuffled or some of them taken.
  expect_told(parse(",x\n17,5\n3,5\n90,4\n").notices, {"without a name", "numbers the rows"});
  expect_told(parse("1,5\n2,5\n3,4\n", {.header = false}).notices, {"numbers the rows"});
  // Not what is a feature: values that come twice, or are no whole numbers, or have a name.
  EXPECT_TRUE(parse(",x\n1,5\n1,5\n2,4\n").notices.empty());
  EXPECT_TRUE(parse(",x\n1.5,5\n2,5\n3,4\n").notices.empty());
  EXPECT_TRUE(parse("year,x\n1,5\n2,5\n3,4\n").notices.empty());
  EXPECT_TRUE(parse("3,5\n1,5\n2,4\n", {.header = false}).notices.empty());
  EXPECT_TRUE(parse(",x\n1,5\n2,5\n3,4\n", {.ignored = {"0"}}).notices.empty());
  // And it can be left out by the number that is told.
  EXPECT_EQ(parse(",x\n1,5\n2,5\n3,4\n", {.ignored = {"0"}}).feature_names, (Texts{"x"}));
}

TEST(TableNotices, AFirstLineOfNumbersIsTold) {
  const CsvTable table = parse("5.1,3.5,setosa\n4.9,3.0,setosa\n6.1,2.9,other\n", {.label = "2"});
  EXPECT_EQ(table.rows, 2);
  expect_told(table.notices, {"t.csv: the first line", "5.1, 3.5", "header = false"});
  expect_told(parse("7.25\n8\n").notices, {"header = false"});
  // Names, and numbers that count columns or years.
  EXPECT_TRUE(parse("a,2\n1,2\n").notices.empty());
  EXPECT_TRUE(parse("0,1,2\n7,7,7\n").notices.empty());
  EXPECT_TRUE(parse("1990,1991,1992\n7,7,7\n").notices.empty());
}

TEST(TableNotices, AHeaderThatIsReadAsASampleIsGuessed) {
  expect_error([&] { parse("width,height\n1,2\n", {.header = false}); },
               {"line 1, column 0", "'width'", "leave header = false out"});
}

TEST(TableNotices, AreOneLineWhateverNamesHold) {
  const CsvTable table = parse("\"a\nb\x1b[31m\",c\n,1\n2,2\n", {.drop_missing = true});
  expect_told(table.notices, {"1 of 2 rows", "'a?b?[31m' 1"});
  const ScratchFolder folder;
  std::string file = "\"a\nb\",y\n";
  for (int i = 0; i < 20; ++i) file += str("4,", i, "\n");
  write_file_atomically(folder / "t.csv", std::string_view(file));
  DataRecipe recipe{.name = "csv", .task = Task::regression, .train = "t.csv", .target = {"y"}};
  expect_told(load_recipe_data(recipe, folder.path()).notices, {"'a?b' (4)"});
}

// ---- rare classes

Dataset labelled(const std::vector<int>& counts) {
  Dataset data{.name = "t",
               .type = DType::float32,
               .sample = {1},
               .classes = static_cast<std::int32_t>(counts.size())};
  for (std::size_t c = 0; c < counts.size(); ++c) {
    data.class_names.push_back(str("c", c));
    for (int i = 0; i < counts[c]; ++i) {
      data.labels.push_back(static_cast<std::int32_t>(c));
      data.features.push_back(static_cast<float>(data.count++));
    }
  }
  return data;
}

TEST(TableNotices, TheLastSampleOfAClassIsTrainedOn) {
  for (const bool stratified : {true, false})
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Dataset data = labelled({1, 30, 1, 2, 1});
      const Split split = split_validation(data, 0.5, seed, {.stratified = stratified});
      EXPECT_EQ(split.validation.count, 18) << seed;
      EXPECT_NO_THROW(check_classes(split.train)) << seed;
      if (!stratified) continue;
      expect_told({*rare_classes_notice(split.train, split.validation)},
                  {"no sample of", "'c0' (1)", "'c2' (1)", "'c4' (1)"});
    }
  // Nothing but single samples: none can be set aside.
  EXPECT_EQ(split_validation(labelled({1, 1, 1}), 0.5, 1).validation.count, 0);
  EXPECT_FALSE(rare_classes_notice(labelled({2, 2}), labelled({1, 1})).has_value());
}

TEST(TableNotices, TheSeedDecidesBetweenEqualClasses) {
  std::vector<int> rounded_up(4);
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    const Split split = split_validation(labelled({5, 5, 5, 5}), 0.25, seed, {.stratified = true});
    ASSERT_EQ(split.validation.count, 5);
    const std::vector<std::int64_t> counts = class_counts(split.validation);
    for (std::size_t c = 0; c < 4; ++c) rounded_up[c] += counts[c] == 2;
  }
  for (const int times : rounded_up) EXPECT_GT(times, 0) << "always the same class";
}

TEST(TableNotices, AValidationPartOfNoSamplesIsTold) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view("x,k\n1,a\n2,b\n3,a\n4,b\n5,a\n"));
  DataRecipe recipe{.name = "csv", .train = "t.csv", .target = {"k"}};
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(data.validation.count, 0);
  expect_told(data.notices, {"validation = 0.1 of 4 samples sets none aside"});
}

TEST(TableNotices, RecipesTellOfRareClasses) {
  const ScratchFolder folder;
  std::string file = "x,k\n0.5,aa\n";
  for (int i = 0; i < 60; ++i) file += str(i % 7, ".5,", i % 2 == 0 ? "m" : "z", "\n");
  write_file_atomically(folder / "t.csv", std::string_view(file));
  DataRecipe recipe{.name = "csv", .train = "t.csv", .target = {"k"}};
  const RecipeData data = load_recipe_data(recipe, folder.path());
  EXPECT_EQ(class_counts(data.train)[0], 1);
  expect_told(data.notices, {"t.csv (test): no sample of 'aa' (1)"});
}

// ---- digits

TEST(Remainders, HoldWhatFloat32DoesNot) {
  std::vector<float> values;
  std::vector<double> rest;
  append_number(1.5, values, rest);
  append_number(std::int32_t{7}, values, rest);
  EXPECT_TRUE(rest.empty()) << "nothing is left, and nothing kept";
  append_number(1'700'000'001.0, values, rest);
  append_number(std::int64_t{1'700'000'000'000'000'123}, values, rest);
  append_number(std::numeric_limits<std::uint64_t>::max(), values, rest);
  append_number(0.1, values, rest);
  append_number(1e-60, values, rest);
  append_number(2.0f, values, rest);
  ASSERT_EQ(rest.size(), values.size());
  EXPECT_EQ(values[2] + rest[2], 1'700'000'001.0);
  EXPECT_EQ(std::int64_t(values[3]) + std::int64_t(rest[3]), 1'700'000'000'000'000'123);
  EXPECT_EQ(rest[4], -1);
  EXPECT_EQ(values[5] + rest[5], 0.1);
  EXPECT_EQ(values[6] + rest[6], 1e-60);
  EXPECT_EQ(rest[7], 0);
}

TEST(Remainders, AreReadFromEveryFileAndKeptBySelections) {
  const std::string csv = "t,y\n1700000000,0.1\n1700000001,0.2\n1700000002,0.3\n";
  const CsvTable table = parse(csv, {.targets = {"y"}});
  ASSERT_EQ(table.feature_remainders.size(), 3u);
  EXPECT_EQ(table.features[1] + table.feature_remainders[1], 1'700'000'001.0);
  EXPECT_EQ(table.targets[2] + table.target_remainders[2], 0.3);
  const Dataset data = table_dataset(table, "t.csv", {});
  const Dataset chosen = select(data, std::vector<std::int64_t>{2, 1});
  EXPECT_EQ(chosen.features[0] + chosen.feature_remainders[0], 1'700'000'002.0);
  EXPECT_EQ(chosen.targets[1] + chosen.target_remainders[1], 0.2);
  const Split split = split_validation(data, 0.4, 1);
  EXPECT_NO_THROW(check_dataset(split.train));
  EXPECT_EQ(split.train.feature_remainders.size(), 2u);
  Dataset broken = data;
  broken.feature_remainders.pop_back();
  expect_error([&] { check_dataset(broken); }, {"2 remainders of 3 numbers"});

  const auto array = [](const std::string& type, const std::string& raw) {
    const Bytes file = test::npy(test::dictionary(type, "(2, 1)"), raw);
    return array_dataset("x.npy", parse_npy(file, "x.npy"), nullptr, {});
  };
  for (const Dataset& set :
       {array("<i8", test::raw<std::int64_t>({1'700'000'000, 1'700'000'001})),
        array(">f8", test::raw<double>({1'700'000'000, 1'700'000'001}, true)),
        array("<u4", test::raw<std::uint32_t>({1'700'000'000, 1'700'000'001}))}) {
    ASSERT_EQ(set.feature_remainders.size(), 2u);
    EXPECT_EQ(set.features[1] + set.feature_remainders[1], 1'700'000'001.0);
  }
  EXPECT_TRUE(array("<f4", test::raw<float>({0.1f, 0.2f})).feature_remainders.empty());

  // In prediction too, columns being put in order.
  const ScratchFolder folder;
  write_file_atomically(folder / "p.csv", std::string_view("t,a\n1700000001,0.1\n"));
  const Dataset outline{.type = DType::float32, .sample = {2}, .feature_names = {"a", "t"}};
  const Dataset samples = read_samples((folder / "p.csv").string(), outline, {.name = "csv"});
  EXPECT_EQ(samples.features[0] + samples.feature_remainders[0], 0.1);
  EXPECT_EQ(samples.features[1] + samples.feature_remainders[1], 1'700'000'001.0);
}

// A column 1700000000 + i, and nanoseconds, which not even a double holds.
TEST(Remainders, AMeanOfABillionTakesNoDigits) {
  for (const std::int64_t base : {std::int64_t{1'700'000'000}, std::int64_t{1} << 60}) {
    std::vector<float> values;
    std::vector<double> rest;
    for (int i = 0; i < 100; ++i) append_number(base + i, values, rest);
    const Normalisation found = column_statistics(values, 1, rest);
    EXPECT_NEAR(found.mean[0] - double(base), 49.5, base < 1'800'000'000 ? 1e-6 : 128);
    normalise(values, found, rest);
    for (std::size_t i = 1; i < 100; ++i)
      EXPECT_NEAR(values[i] - values[i - 1], 1 / found.deviation[0], 1e-6) << base << " + " << i;
  }
}

TEST(Remainders, WithoutNormalisingItIsToldWhereTheyAreLost) {
  const ScratchFolder folder;
  std::string file = "t,x,y\n", small = "x,y\n";
  for (int i = 0; i < 50; ++i) {
    file += str(1'700'000'000 + i, ",", i % 9, ".1,", 1'700'000'000 + 3 * i, "\n");
    small += str(i % 9, ".1,", i % 5, ".3\n");
  }
  write_file_atomically(folder / "t.csv", std::string_view(file));
  write_file_atomically(folder / "s.csv", std::string_view(small));
  DataRecipe recipe{.name = "csv",
                    .task = Task::regression,
                    .normalise = false,
                    .normalise_target = false,
                    .train = "t.csv",
                    .target = {"y"}};
  const RecipeData lost = load_recipe_data(recipe, folder.path());
  expect_told(lost.notices, {"float32 does not hold", "'t'", "normalise = true"});
  expect_told(lost.notices, {"float32 does not hold", "target 0", "normalise_target = true"});
  recipe.normalise = recipe.normalise_target = true;
  EXPECT_TRUE(load_recipe_data(recipe, folder.path()).notices.empty());
  recipe.normalise = false;
  recipe.train = "s.csv";
  EXPECT_TRUE(load_recipe_data(recipe, folder.path()).notices.empty()) << "digits enough";
}

// ---- columns that hardly vary

TEST(ConstantColumns, AreThoseThatVaryByRoundingAlone) {
  const auto deviation = [](double a, double b) {
    std::vector<float> values;
    std::vector<double> rest;
    for (int i = 0; i < 200; ++i) append_number(i == 7 ? b : a, values, rest);
    std::vector<ConstantColumn> constant;
    const Normalisation found = column_statistics(values, 1, rest, &constant);
    EXPECT_EQ(constant.empty(), found.deviation[0] != 1) << a << ", " << b;
    return found.deviation[0];
  };
  EXPECT_EQ(deviation(5, 5), 1);
  EXPECT_EQ(deviation(0, 1e-42), 1) << "no number of float32's range divides by that";
  EXPECT_EQ(deviation(1e9, std::nextafter(1e9, 2e9)), 1) << "noise of the last digit";
  EXPECT_EQ(deviation(0.3, 0.1 + 0.2), 1);
  EXPECT_EQ(deviation(1e200 / 1e180, 1e20), 1);
  // And these are not.
  EXPECT_LT(deviation(0, 1e-30), 1e-30);
  EXPECT_GT(deviation(-3e38, 3e38), 1e36) << "squares of 10^77 are no trouble in double";
  EXPECT_LT(deviation(1e9, 1e9 + 1e-3), 1e-3);
}

std::string column(const std::string& usual, const std::string& once, int rows) {
  std::string text = "c,x,y\n";
  for (int i = 0; i < rows; ++i) text += str(i == 7 ? once : usual, ",", i % 13, ",", i % 13, "\n");
  return text;
}

TEST(ConstantColumns, AreToldAndNothingBecomesInfinite) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view(column("0", "1e-42", 200)));
  write_file_atomically(folder / "test.csv", std::string_view(column("1", "1", 20)));
  DataRecipe recipe{.name = "csv",
                    .task = Task::regression,
                    .train = "t.csv",
                    .test = "test.csv",
                    .target = {"y"}};
  const RecipeData data = load_recipe_data(recipe, folder.path());
  expect_told(data.notices, {"t.csv: taken as constant", "'c'", "not so in 20 test samples"});
  for (const Dataset* part : {&data.train, &data.validation, &data.test})
    for (const float value : part->features) EXPECT_LE(std::abs(value), 4);
  EXPECT_EQ(data.test.features[0], 1);
}

TEST(ConstantColumns, TargetsAreTold) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view(column("5", "5", 60)));
  DataRecipe recipe{.name = "csv", .task = Task::regression, .train = "t.csv", .target = {"c"}};
  expect_told(load_recipe_data(recipe, folder.path()).notices,
              {"taken as constant", "target 0 (5)", "nothing can be learned"});
}

TEST(ConstantColumns, WhatWouldBecomeInfiniteIsNamed) {
  const ScratchFolder folder;
  write_file_atomically(folder / "t.csv", std::string_view(column("0", "1e-30", 200)));
  write_file_atomically(folder / "test.csv", std::string_view(column("0", "1e20", 20)));
  DataRecipe recipe{.name = "csv",
                    .validation = 0,
                    .task = Task::regression,
                    .train = "t.csv",
                    .test = "test.csv",
                    .target = {"y"}};
  expect_error([&] { load_recipe_data(recipe, folder.path()); },
               {"test.csv: features: row 7, column 0", "becomes inf", "deviation"});
  // In evaluation, prediction and for targets as well: the same function.
  Dataset data{.name = "p.csv",
               .count = 1,
               .type = DType::float32,
               .sample = {1},
               .features = {1e20f},
               .outputs = 1,
               .targets = {1}};
  expect_error(
      [&] {
        normalise(data, {.input = {{0}, {1e-30}}, .target = {}});
      },
      {"p.csv: features: row 0"});
  expect_error(
      [&] {
        normalise(data, {.input = {}, .target = {{0}, {1e-300}}});
      },
      {"p.csv: targets: row 0, column 0: 1 becomes inf"});
}

}  // namespace
}  // namespace adjoint
