#include "core/base/encoding.h"

#include <gtest/gtest.h>

#include "core/base/files.h"
#include "support/expect_error.h"

namespace adjoint {
namespace {

using test::expect_error;

TEST(Utf8, IsTakenByItsStandard) {
  // The first and the last characters of each length, and those beside the surrogates.
  for (const std::string good :
       {"", "abc", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8("a" + good + "b")) << printable(good);
  for (const std::string bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xc3", "\xe2\x82",
        "\xf0\x9f\x98"}) {
    EXPECT_EQ(utf8_prefix("ab" + bad), 2u) << printable(bad);
    EXPECT_EQ(utf8_prefix("ab" + bad + "c"), 2u) << printable(bad);
  }
}

TEST(Utf8, IsShownWithoutWhatDisturbsATerminal) {
  EXPECT_EQ(printable("gr\xc3\xb6\xc3\x9f"
                      "e"),
            "gr\xc3\xb6\xc3\x9f"
            "e");
  EXPECT_EQ(printable("a\x1b[2J\x7f\n\xf6"), "a?[2J???");
  EXPECT_EQ(printable("abcdef", 3), "abc...");
  EXPECT_EQ(printable("ab\xc3\xb6", 3), "ab...") << "no half characters";
  EXPECT_EQ(printable("ab\xc3\xb6", 4), "ab\xc3\xb6");
}

TEST(Encoding, IsConvertedToUtf8) {
  const auto converted = [](std::string_view text, const char* encoding) {
    return to_utf8(as_bytes(text), encoding, "x");
  };
  for (const char* name : {"cp1252", "Windows-1252", "CP1252"})
    EXPECT_EQ(converted("\x80 \xfc", name), "\xe2\x82\xac \xc3\xbc") << name;
  for (const char* name : {"latin-1", "latin_1", "iso-8859-1", "L1"})
    EXPECT_EQ(converted("\xfc", name), "\xc3\xbc") << name;
  EXPECT_EQ(converted("\x82\xa0", "shift_jis"), "\xe3\x81\x82");
  EXPECT_EQ(converted(std::string_view("\xff\xfe"
                                       "a\0\xfc\0",
                                       6),
                      "utf-16"),
            "a\xc3\xbc");
  EXPECT_EQ(converted(std::string_view("\0a", 2), "utf-16-be"), "a");
  EXPECT_EQ(converted("", "cp1252"), "");
  EXPECT_EQ(converted("\xef\xbb\xbfz", "utf-8-sig"), "z");
  // More than one piece, and a character over the end of one.
  const std::string many(200'001, '\xfc');
  EXPECT_EQ(converted(many, "latin1").size(), 400'002u);
}

TEST(Encoding, WhatIsNoTextOfItIsAnError) {
  expect_error([] { to_utf8(as_bytes("a\nb\x81"), "cp1252", "t.csv"); },
               {"t.csv: line 2: byte 4", "is no character of 'cp1252'"});
  expect_error([] { to_utf8(as_bytes("\x82"), "shift_jis", "t.csv"); },
               {"begins half a character"});
  EXPECT_FALSE(is_encoding("klingon"));
  EXPECT_FALSE(is_encoding(""));
  EXPECT_FALSE(is_encoding("latin1//IGNORE")) << "nothing is left out in silence";
  expect_error([] { to_utf8(as_bytes("a"), "klingon", "t.csv"); }, {"t.csv", "'klingon'"});
}

}  // namespace
}  // namespace adjoint
