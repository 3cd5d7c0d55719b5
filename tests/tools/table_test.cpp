#include "tools/adjoint/table.h"

#include <gtest/gtest.h>

#include <limits>

namespace adjoint {
namespace {

TEST(Table, AlignsColumns) {
  Table table({"name", ">count"});
  table.add({"a", "1"});
  table.rule();
  table.add({"größe", "1,234"});
  EXPECT_EQ(table.text(1),
            " name   count\n"
            " -----  -----\n"
            " a          1\n"
            " -----  -----\n"
            " größe  1,234\n");
}

TEST(Table, FillsShortRows) {
  Table table({"a", "b"});
  table.add({"only"});
  EXPECT_EQ(table.text(0), "a     b\n----  -\nonly\n");
}

TEST(Table, GroupsDigits) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(-1234567), "-1,234,567");
  EXPECT_EQ(grouped(std::numeric_limits<std::int64_t>::max()), "9,223,372,036,854,775,807");
}

}  // namespace
}  // namespace adjoint
