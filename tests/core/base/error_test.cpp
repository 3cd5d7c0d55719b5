#include "core/base/error.h"

#include <gtest/gtest.h>

namespace adjoint {
namespace {

TEST(Error, MessageAndPlaceAreKeptApart) {
  try {
    ADJOINT_CHECK(1 + 1 == 3, "expected ", 3, ", got ", 2);
    FAIL() << "the check did not throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "expected 3, got 2");
    EXPECT_NE(std::string(error.what()).find("error_test.cpp:"), std::string::npos) << error.what();
    EXPECT_GT(error.where().line, 0);
  }
}

TEST(Error, APassedCheckBuildsNoMessage) {
  int built = 0;
  auto part = [&] { return ++built; };
  ADJOINT_CHECK(true, part());
  EXPECT_EQ(built, 0);
}

// What a stranger's file says may be quoted: it must not clear the screen.
TEST(Error, ControlCharactersDoNotReachTerminals) {
  const Error error("the key '\x1b[2J\x7f\r' and\n\t\u00e9");
  EXPECT_EQ(error.message(), "the key '?[2J?\?' and\n\t\u00e9");
  EXPECT_TRUE(std::string(error.what()).starts_with(error.message()));
}

}  // namespace
}  // namespace adjoint
