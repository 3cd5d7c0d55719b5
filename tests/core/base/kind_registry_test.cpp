#include "core/base/kind_registry.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

TEST(KindRegistry, FindsWhatWasEnteredAndNamesTheNearest) {
  KindRegistry<int> registry("update rule");
  EXPECT_TRUE(registry.add("sgd", 1));
  EXPECT_TRUE(registry.add("adamw", 2));
  EXPECT_EQ(registry.find("adamw"), 2);
  EXPECT_EQ(registry.kinds(), (std::vector<std::string>{"sgd", "adamw"}));
  expect_error([&] { registry.find("adamv"); },
               {"unknown update rule 'adamv'; did you mean 'adamw'?"});
}

TEST(KindRegistry, AKindThatIsTakenIsAnErrorWhenItIsLookedUp) {
  KindRegistry<int> registry("schedule");
  registry.add("cosine", 1);
  registry.add("step", 2);
  EXPECT_NO_THROW(registry.add("cosine", 3));
  EXPECT_EQ(registry.kinds(), (std::vector<std::string>{"cosine", "step"}));
  EXPECT_EQ(registry.find("step"), 2);
  expect_error([&] { registry.find("cosine"); }, {"two", "'cosine'", "schedule", "rename"});
}

TEST(KindRegistry, TheSameEntryFromTwoLibrariesIsOne) {
  KindRegistry<int> registry("schedule");
  registry.add_once("cosine", 1);
  EXPECT_TRUE(registry.add_once("cosine", 1));
  EXPECT_EQ(registry.find("cosine"), 1);
  registry.add_once("cosine", 2);
  expect_error([&] { registry.find("cosine"); }, {"two"});
}

TEST(KindRegistry, WhatWasCompiledOtherwiseIsAnErrorWhenItIsLookedUp) {
  KindRegistry<int> registry("schedule", "version=1 sanitizer=none");
  registry.add("cosine", 1, "version=1 sanitizer=none");
  EXPECT_TRUE(registry.add("hold", 2, "version=2 sanitizer=none"));
  EXPECT_TRUE(registry.add_once("sine", 3, "version=1 sanitizer=address"));
  EXPECT_EQ(registry.find("cosine"), 1);
  EXPECT_EQ(registry.kinds(), (std::vector<std::string>{"cosine", "hold", "sine"}));
  expect_error([&] { registry.find("hold"); },
               {"schedule 'hold'", "expected version=1, found version=2", "adjoint_flags"});
  expect_error([&] { registry.find("sine"); },
               {"'sine'", "expected sanitizer=none, found sanitizer=address"});
  EXPECT_EQ(registry.problem("cosine"), "");
  registry.add("cosine", 1, "version=2");
  expect_error([&] { registry.find("cosine"); }, {"two of kind 'cosine'"});
}

// It may lie otherwise in memory.
TEST(KindRegistry, WhatWasCompiledOtherwiseIsNotLookedAt) {
  struct Untouchable {
    Untouchable() = default;
    Untouchable(const Untouchable&) { ADD_FAILURE() << "it was copied"; }
    bool operator==(const Untouchable&) const {
      ADD_FAILURE() << "it was compared";
      return true;
    }
  };
  KindRegistry<Untouchable> registry("schedule", "version=1");
  const Untouchable entry;
  registry.add("hold", entry, "version=2");
  registry.add_once("hold", entry, "version=2");
  EXPECT_EQ(registry.count("hold"), 2);
}

}  // namespace
}  // namespace adjoint
