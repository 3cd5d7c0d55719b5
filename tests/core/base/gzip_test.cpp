#include <gtest/gtest.h>

#include "core/base/files.h"
#include "support/expect_error.h"
#include "support/gzip.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::gzip;

std::string text(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Bytes joined(Bytes a, const Bytes& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(Gzip, UnpacksOneMemberAndMany) {
  EXPECT_EQ(text(gunzip(gzip("hello"), 100, "x")), "hello");
  EXPECT_EQ(text(gunzip(gzip("hello"), 5, "x")), "hello");
  EXPECT_EQ(text(gunzip(gzip(""), 0, "x")), "");
  const Bytes two = joined(joined(gzip("one,"), gzip("")), gzip("two"));
  EXPECT_EQ(text(gunzip(two, 7, "x")), "one,two");
  EXPECT_EQ(text(gunzip_prefix(two, 6, "x")), "one,tw");
  EXPECT_EQ(text(gunzip_prefix(two, 60, "x")), "one,two");
  EXPECT_EQ(text(gunzip_prefix(two, 0, "x")), "");
}

TEST(Gzip, UnpacksMoreThanOnePiece) {
  std::string large;
  for (int i = 0; i < 200000; ++i) large += std::to_string(i * 7919 % 10007);
  EXPECT_EQ(text(gunzip(gzip(large), large.size(), "x")), large);
  EXPECT_EQ(text(gunzip_prefix(gzip(large), 300000, "x")), large.substr(0, 300000));
}

TEST(Gzip, EveryTruncationIsAnError) {
  const Bytes whole = gzip("a text long enough to be cut in every place");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error([&] { gunzip(cut, 1000, "cut.gz"); }, {"cut.gz", "gzip"});
  }
}

TEST(Gzip, EveryFlippedByteIsAnErrorOrHarmless) {
  const std::string content = "a text long enough to be damaged in every place";
  const Bytes whole = gzip(content);
  for (std::size_t i = 0; i < whole.size(); ++i) {
    Bytes damaged = whole;
    damaged[i] ^= std::byte{0x41};
    try {
      // Only the header has bytes without meaning for the content (time, system).
      EXPECT_EQ(text(gunzip(damaged, 1000, "x")), content) << "byte " << i;
      EXPECT_LT(i, 10u);
    } catch (const Error&) {
    }
  }
}

TEST(Gzip, TrailingBytesAreAnError) {
  const Bytes whole = gzip("hello");
  expect_error([&] { gunzip(joined(whole, Bytes(3, std::byte{1})), 100, "x.gz"); },
               {"x.gz", "3 bytes behind"});
  Bytes mixed(3);
  mixed.back() = std::byte{7};
  expect_error([&] { gunzip(joined(whole, mixed), 100, "x.gz"); }, {"x.gz", "3 bytes behind"});
}

// As gzip and Python's gzip read them: blocks of a tape are filled up with zeros.
TEST(Gzip, ZerosBehindAMemberArePadding) {
  const Bytes one = gzip("hello, "), two = gzip("world");
  EXPECT_EQ(text(gunzip(joined(two, Bytes(512)), 100, "x")), "world");
  EXPECT_EQ(text(gunzip(joined(joined(one, Bytes(9)), two), 100, "x")), "hello, world");
  EXPECT_EQ(text(gunzip_prefix(joined(joined(one, Bytes(9)), two), 9, "x")), "hello, wo");
}

// Inside, behind what is expected: left out, and only so much of it.
TEST(Gzip, ZerosBehindTheLimitArePadding) {
  const auto padded = [](std::size_t zeros, const std::string& rest = "") {
    return gunzip(gzip("hello" + std::string(zeros, '\0') + rest), 5, "x.gz");
  };
  EXPECT_EQ(text(padded(3)), "hello");
  EXPECT_EQ(text(padded(kMostPadding)), "hello");
  expect_error([&] { padded(kMostPadding + 1); }, {"x.gz", "more than the 5 bytes"});
  expect_error([&] { padded(3, "!"); }, {"x.gz", "more than the 5 bytes"});
}

TEST(Gzip, ABombStopsAtTheLimit) {
  const Bytes bomb = gzip(std::string(64 << 20, '\0'));
  ASSERT_LT(bomb.size(), 100000u);
  expect_error([&] { gunzip(bomb, 784, "bomb.gz"); }, {"bomb.gz", "more than the 784 bytes"});
}

TEST(Gzip, ARawFileIsNotGzip) {
  EXPECT_FALSE(is_gzip({}));
  expect_error([] { gunzip(Bytes(10), 100, "plain"); }, {"plain", "not a gzip file"});
}

}  // namespace
}  // namespace adjoint
