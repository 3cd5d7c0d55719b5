#include "core/data/readers/idx.h"

#include <gtest/gtest.h>

#include <cstring>

#include "support/expect_error.h"
#include "support/gzip.h"
#include "support/scratch_folder.h"

namespace adjoint {
namespace {

using test::expect_error;
using test::gzip;

Bytes bytes(std::initializer_list<int> values) {
  Bytes out;
  for (int value : values) out.push_back(static_cast<std::byte>(value));
  return out;
}

template <class T>
std::vector<T> elements(const IdxArray& array) {
  std::vector<T> out(array.bytes.size() / sizeof(T));
  std::memcpy(out.data(), array.bytes.data(), array.bytes.size());
  return out;
}

const Bytes kSmall = bytes({0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6});

TEST(Idx, ReadsPlainAndGzipAlike) {
  for (const Bytes& file : {kSmall, gzip(kSmall)}) {
    const IdxArray array = parse_idx(file, "x");
    EXPECT_EQ(array.type, IdxType::uint8);
    EXPECT_EQ(array.dims, (std::vector<std::int64_t>{2, 3}));
    EXPECT_EQ(elements<std::uint8_t>(array), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
  }
}

TEST(Idx, ReadsEveryElementType) {
  const IdxArray i8 = parse_idx(bytes({0, 0, 0x09, 1, 0, 0, 0, 2, 0xff, 0x80}), "x");
  EXPECT_EQ(elements<std::int8_t>(i8), (std::vector<std::int8_t>{-1, -128}));
  const IdxArray i16 = parse_idx(bytes({0, 0, 0x0b, 1, 0, 0, 0, 2, 1, 2, 0xff, 0xfe}), "x");
  EXPECT_EQ(elements<std::int16_t>(i16), (std::vector<std::int16_t>{258, -2}));
  const IdxArray i32 = parse_idx(bytes({0, 0, 0x0c, 1, 0, 0, 0, 1, 1, 2, 3, 4}), "x");
  EXPECT_EQ(elements<std::int32_t>(i32), (std::vector<std::int32_t>{0x01020304}));
  const IdxArray f32 = parse_idx(bytes({0, 0, 0x0d, 1, 0, 0, 0, 1, 0xc0, 0x20, 0, 0}), "x");
  EXPECT_EQ(elements<float>(f32), (std::vector<float>{-2.5f}));
  const IdxArray f64 =
      parse_idx(bytes({0, 0, 0x0e, 1, 0, 0, 0, 1, 0xc0, 0x04, 0, 0, 0, 0, 0, 0}), "x");
  EXPECT_EQ(elements<double>(f64), (std::vector<double>{-2.5}));
}

TEST(Idx, ADimensionOfZeroIsAnEmptyArray) {
  const Bytes file = bytes({0, 0, 0x0e, 3, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0});
  EXPECT_TRUE(parse_idx(file, "x").bytes.empty());
}

TEST(Idx, EveryTruncationIsAnError) {
  for (std::size_t size = 0; size < kSmall.size(); ++size) {
    const Bytes cut(kSmall.begin(), kSmall.begin() + static_cast<std::ptrdiff_t>(size));
    expect_error([&] { parse_idx(cut, "cut"); }, {"cut: truncated"});
    expect_error([&] { parse_idx(gzip(cut), "cut"); }, {"cut: truncated"});
  }
}

TEST(Idx, TrailingBytesAreAnError) {
  Bytes longer = kSmall;
  longer.resize(longer.size() + 2, std::byte{1});
  expect_error([&] { parse_idx(longer, "long"); }, {"long: 2 bytes too long", "2x3"});
  expect_error([&] { parse_idx(gzip(longer), "long"); }, {"long", "more than the 18 bytes"});
}

TEST(Idx, TrailingZerosArePadding) {
  Bytes longer = kSmall;
  longer.resize(longer.size() + 500);
  for (const Bytes& file : {longer, gzip(longer)}) {
    const IdxArray array = parse_idx(file, "x");
    EXPECT_EQ(elements<std::uint8_t>(array), (std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6}));
  }
  Bytes packed = gzip(kSmall);
  packed.resize(packed.size() + 500);
  EXPECT_EQ(parse_idx(packed, "x").bytes.size(), 6u);
}

TEST(Idx, WrongHeadersAreErrors) {
  expect_error([] { parse_idx(as_bytes("PNG picture"), "x"); }, {"x: not an IDX file", "80"});
  expect_error([] { parse_idx(bytes({0, 0, 10, 1, 0, 0, 0, 0}), "x"); }, {"element type 10"});
  expect_error([] { parse_idx(bytes({0, 0, 8, 0}), "x"); }, {"no dimensions"});
  const Bytes overflow =
      bytes({0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255});
  expect_error([&] { parse_idx(overflow, "x"); }, {"4294967295x4294967295x4294967295", "corrupt"});
  expect_error([&] { parse_idx(gzip(overflow), "x"); }, {"corrupt"});
  // Just below the overflow: must not be allocated.
  const Bytes large = bytes({0, 0, 8, 2, 127, 255, 255, 255, 127, 255, 255, 255});
  expect_error([&] { parse_idx(large, "x"); }, {"truncated"});
  expect_error([&] { parse_idx(gzip(large), "x"); }, {"truncated"});
}

TEST(Idx, BrokenGzipIsAnError) {
  Bytes broken = gzip(kSmall);
  broken[broken.size() - 6] ^= std::byte{1};
  expect_error([&] { parse_idx(broken, "x.gz"); }, {"x.gz", "corrupt"});
  const Bytes twice = gzip(gzip(kSmall));
  expect_error([&] { parse_idx(twice, "x.gz"); }, {"not an IDX file"});
}

TEST(Idx, ABombIsNotUnpackedBeyondItsHeader) {
  Bytes bomb = kSmall;
  bomb.resize(64 << 20);
  expect_error([&] { parse_idx(gzip(bomb), "bomb.gz"); }, {"more than the 18 bytes"});
}

TEST(Idx, ReadsFilesByContentNotName) {
  const test::ScratchFolder folder;
  write_file_atomically(folder / "named.gz", kSmall);
  write_file_atomically(folder / "plain", gzip(kSmall));
  EXPECT_EQ(read_idx(folder / "named.gz").bytes, read_idx(folder / "plain").bytes);
  expect_error([&] { read_idx(folder / "none"); }, {"none'"});
}

}  // namespace
}  // namespace adjoint
