#include "core/base/options.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

Options sample() {
  Options options("[optim]", "r.toml, line 1");
  options.set("type", std::string("adamw"), "r.toml, line 2");
  options.set("lr", 1e-3, "r.toml, line 3");
  options.set("steps", std::int64_t{7}, "r.toml, line 4");
  options.set("nesterov", true, "r.toml, line 5");
  options.set("betas", std::vector<double>{0.9, 0.99}, "r.toml, line 6");
  options.set("sizes", std::vector<std::int64_t>{3, 4}, "r.toml, line 7");
  return options;
}

TEST(Options, GivesWhatIsThereAndFallbacksForTheRest) {
  Options options = sample();
  EXPECT_EQ(options.text("type"), "adamw");
  EXPECT_EQ(options.number("lr"), 1e-3);
  EXPECT_EQ(options.number("steps"), 7.0);
  EXPECT_EQ(options.integer("steps", 1), 7);
  EXPECT_TRUE(options.flag("nesterov", false));
  EXPECT_EQ(options.numbers("betas", {}), (std::vector<double>{0.9, 0.99}));
  EXPECT_EQ(options.integers("sizes"), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(options.numbers("sizes"), (std::vector<double>{3, 4}));
  EXPECT_EQ(options.number("epsilon", 1e-8), 1e-8);
  EXPECT_EQ(options.text("name", "x"), "x");
  EXPECT_EQ(options.optional_integer("none"), std::nullopt);
  EXPECT_EQ(options.optional_number("lr"), 1e-3);
  EXPECT_NO_THROW(options.finish());
}

TEST(Options, WrongTypesNamePlaceExpectedAndFound) {
  Options options = sample();
  expect_error([&] { options.integer("lr"); },
               {"r.toml, line 3: [optim] lr: expected a whole number, got 0.001"});
  expect_error([&] { options.number("type"); }, {"expected a number, got the text \"adamw\""});
  expect_error([&] { options.text("steps"); }, {"line 4", "expected text in quotes, got 7"});
  expect_error([&] { options.flag("steps", true); }, {"expected true or false, got 7"});
  expect_error([&] { options.integers("betas"); }, {"got the list [0.9, 0.99]"});
  expect_error([&] { options.numbers("lr"); }, {"expected a list of numbers, got 0.001"});
}

TEST(Options, MissingKeysSayWhatIsExpected) {
  Options options = sample();
  expect_error([&] { options.integer("out"); },
               {"r.toml, line 1: [optim] has no out; expected a whole number"});
}

TEST(Options, AMissingKeyThatIsMisspeltIsNamed) {
  Options options("layer 1 (linear)", "r.toml, line 9");
  options.set("ouput", std::int64_t{3}, "r.toml, line 9");
  expect_error([&] { options.integer("output"); },
               {"r.toml, line 9: layer 1 (linear) has no key 'ouput'; did you mean 'output'?"});
}

TEST(Options, KeysNobodyAskedForAreErrors) {
  Options options = sample();
  options.set("weight_deacy", 0.1, "r.toml, line 8");
  for (const char* key : {"lr", "steps", "weight_decay"}) options.number(key, 0);
  options.text("type");
  options.flag("nesterov");
  options.numbers("betas");
  options.numbers("sizes");
  expect_error([&] { options.finish(); },
               {"r.toml, line 8: [optim] has no key 'weight_deacy'; did you mean 'weight_decay'?"});
}

TEST(Options, ChoicesAndRanges) {
  Options options = sample();
  EXPECT_EQ(options.choice("type", "sgd", {"sgd", "adamw"}), "adamw");
  EXPECT_EQ(options.choice("other", "sgd", {"sgd", "adamw"}), "sgd");
  options.set("type", std::string("adamv"), "--set optim.type=adamv");
  expect_error(
      [&] {
        options.choice("type", "sgd", {"sgd", "adamw"});
      },
      {"--set optim.type=adamv: [optim] type: unknown 'adamv'; did you mean 'adamw'?"});
  EXPECT_NO_THROW(options.require(true, "lr", "a positive number"));
  expect_error([&] { options.require(false, "lr", "a negative number"); },
               {"r.toml, line 3: [optim] lr: expected a negative number, got 0.001"});
  expect_error([&] { options.require(false, "batch", "at least 1"); }, {"it is not given"});
}

TEST(Options, NamesAreTextsOrNumbersOneOrMore) {
  Options options("x");
  options.set("a", std::string("price"));
  options.set("b", std::int64_t{3});
  options.set("c", std::vector<std::string>{"p", "q"});
  options.set("d", std::vector<std::int64_t>{0, 2});
  options.set("e", 1.5);
  using Names = std::vector<std::string>;
  EXPECT_EQ(options.names("a"), Names{"price"});
  EXPECT_EQ(options.names("b"), Names{"3"});
  EXPECT_EQ(options.names("c"), (Names{"p", "q"}));
  EXPECT_EQ(options.names("d"), (Names{"0", "2"}));
  EXPECT_EQ(options.names("none"), Names{});
  expect_error([&] { options.names("e"); }, {"x e: expected text in quotes, a whole number"});
}

TEST(Options, AnEmptyListIsAListOfAnything) {
  Options options("x");
  options.set("list", std::vector<std::int64_t>{});
  EXPECT_TRUE(options.numbers("list").empty());
  options.set("list", std::vector<std::string>{});
  EXPECT_TRUE(options.integers("list").empty());
}

TEST(Options, CountsAndFractionsHaveBounds) {
  Options options("x");
  options.set("n", std::int64_t{3});
  EXPECT_EQ(options.count("n", 7, 3), 3);
  EXPECT_EQ(options.count("none", 7, 3), 7);
  expect_error([&] { options.count("n", 7, 4); }, {"x n: expected a whole number of at least 4"});
  options.set("p", 0.0);
  EXPECT_EQ(options.fraction("p", 0.5), 0);
  EXPECT_EQ(options.fraction("none", 0.5), 0.5);
  for (const double bad : {-0.1, 1.0, double(NAN)}) {
    options.set("p", bad);
    expect_error([&] { options.fraction("p", 0.5); }, {"x p: expected a number from 0 to below 1"});
  }
}

}  // namespace
}  // namespace adjoint
