// The registry of update rules, with rules that launch nothing.
#include "core/update/update_rule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "support/expect_error.h"
#include "support/slab_training.h"

namespace adjoint::test {

template <int kNumber>
struct EmptyOptions {
  static constexpr const char* kName = kNumber == 0 ? "First" : "Second";
  double learning_rate = 0.5;
  double weight_decay = kNumber;

  bool operator==(const EmptyOptions&) const = default;

  template <class O, class Visitor>
  static void visit(O& o, Visitor&& visitor) {
    visitor.not_negative("weight_decay", o.weight_decay);
  }
};

struct LoneOptions : EmptyOptions<0> {
  static constexpr const char* kType = "lone";
  bool operator==(const LoneOptions&) const = default;
};
struct TakenOptions : EmptyOptions<0> {
  static constexpr const char* kType = "taken";
  bool operator==(const TakenOptions&) const = default;
};
struct TakingOptions : EmptyOptions<1> {
  static constexpr const char* kType = "taken";
  bool operator==(const TakingOptions&) const = default;
};
struct OtherwiseOptions : EmptyOptions<0> {
  static constexpr const char* kType = "otherwise";
  bool operator==(const OtherwiseOptions&) const = default;
};
struct BareOptions : EmptyOptions<0> {
  static constexpr const char* kType = "bare";
  bool operator==(const BareOptions&) const = default;
};

}  // namespace adjoint::test

namespace adjoint {
inline namespace ADJOINT_BACKEND {
namespace {

using test::expect_error;

template <class Options>
UpdateRule empty_rule(const Options& options) {
  return {.name = Options::kName,
          .learning_rate = options.learning_rate,
          .weight_decay = options.weight_decay};
}

const bool registered = register_update_rule(empty_rule<test::LoneOptions>) &&
                        register_update_rule(empty_rule<test::TakenOptions>) &&
                        register_update_rule(empty_rule<test::TakingOptions>) &&
                        register_update_rule(empty_rule<test::OtherwiseOptions>, "version=0.0") &&
                        register_rule_options(test::BareOptions{});

TEST(UpdateRule, IsMadeByItsKind) {
  const UpdateRule rule = update_rule(test::LoneOptions{{.weight_decay = 3}});
  EXPECT_EQ(rule.name, "First");
  EXPECT_EQ(rule.learning_rate, 0.5);
  EXPECT_EQ(rule.weight_decay, 3);
  EXPECT_EQ(update_rule(default_rule_options("lone")).weight_decay, 0);
  expect_error([] { default_rule_options("lonely"); },
               {"unknown update rule 'lonely'; did you mean 'lone'?"});
  expect_error([] { update_rule(test::LoneOptions{{.weight_decay = -1}}); },
               {"First: expected a finite weight_decay of 0 or more, got -1"});
}

TEST(UpdateRule, AKindThatIsTakenIsAnErrorWhenItIsLookedUp) {
  EXPECT_EQ(std::ranges::count(rule_kinds(), "taken"), 1);
  for (const RuleOptions& options :
       {RuleOptions(test::TakenOptions{}), RuleOptions(test::TakingOptions{})})
    expect_error([&] { update_rule(options); }, {"two of kind 'taken'", "update rule", "rename"});
  expect_error([] { default_rule_options("taken"); }, {"two of kind 'taken'"});
}

TEST(UpdateRule, WhatWasCompiledOtherwiseIsAnErrorWhenItIsLookedUp) {
  expect_error([] { default_rule_options("otherwise"); },
               {"update rule 'otherwise'", "found version=0.0", "compile its plugin"});
  expect_error([] { update_rule(test::OtherwiseOptions{}); },
               {"update rule 'otherwise'", "found version=0.0"});
}

TEST(UpdateRule, TheSameOptionsOfTwoBackendsAreOneKind) {
  EXPECT_TRUE(register_rule_options(test::LoneOptions{}));
  EXPECT_EQ(default_rule_options("lone").name(), "First");
}

TEST(UpdateRule, OptionsWithoutKernelsAreAnError) {
  EXPECT_EQ(default_rule_options("bare").kind(), "bare");
  expect_error([] { update_rule(test::BareOptions{}); }, {"unknown update rule 'bare'"});
}

using SignRule = SlabTest;

TEST_F(SignRule, OfTheReadmeUpdates) {
  Training<float> training(context(), {1, 2, 3, -4});
  Optimizer optimizer(context(), training.slab(), default_rule_options("sign"),
                      {.schedule = Schedule{.base = 0.5}});
  training.set_gradient({2, -1, 0, 1});
  optimizer.step(training.totals_tensor());
  EXPECT_EQ(training.master.download(), (std::vector<float>{0.5f, 2.5f, 3, -4.5f}));
}

TEST(SignRuleText, IsThatOfTheReadme) {
  const auto text = [](const char* path) {
    std::ifstream file(source_folder() / path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  std::istringstream rule(text("tests/core/update/sign_rule.cu"));
  const std::string readme = text("core/update/README.md");
  int found = 0;
  bool inside = false;
  for (std::string line; std::getline(rule, line);) {
    if (line == "// README ends") inside = false;
    if (inside && !line.empty()) {
      EXPECT_NE(readme.find("    " + line + "\n"), std::string::npos) << line;
      ++found;
    }
    if (line == "// README begins") inside = true;
  }
  EXPECT_GT(found, 20);
}

TEST(RuleOptions, HoldOneStructAndCompareByValue) {
  const RuleOptions lone = test::LoneOptions{{.weight_decay = 3}};
  EXPECT_EQ(lone.as<test::LoneOptions>().weight_decay, 3);
  EXPECT_EQ(lone.weight_decay(), 3);
  expect_error([&] { lone.as<test::TakingOptions>(); },
               {"expected options of the update rule Second, got those of First"});
  EXPECT_TRUE(lone == RuleOptions(test::LoneOptions{{.weight_decay = 3}}));
  EXPECT_FALSE(lone == RuleOptions(test::LoneOptions{}));
  EXPECT_FALSE(RuleOptions(test::LoneOptions{}) == RuleOptions(test::BareOptions{}));
}

}  // namespace
}  // namespace ADJOINT_BACKEND
}  // namespace adjoint
