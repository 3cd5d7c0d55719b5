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

}  // namespace
}  // namespace adjoint
